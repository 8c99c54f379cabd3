# Who reads and writes the object store, and where the data are.
conf = {
    'access_key_id': '',
    'access_key_secret': '',
    'data_path': '',  # such as oss://my-bucket/log-count/log-count-data.txt
}
