# Who reads and writes the object store.
conf = {
    'access_key_id': '',
    'access_key_secret': '',
}
