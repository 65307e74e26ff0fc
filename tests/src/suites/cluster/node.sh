#!/bin/sh
# A Kubernetes node on one machine. It is the first process of namespaces of its own (mount, uts, ipc,
# pid, cgroup) in the network namespace of a node of the lab. Its root is an overlay on the machine's,
# whose changes are in memory and go with the mount namespace: nothing of the machine is written but LOGS.
#
#   NAME      the node's name                    WORK   an empty directory, where the root is put together
#   LOGS      where the daemons' logs go         OVS    the directory of Open vSwitch's sockets
#   PROGRAMS  containerd, runc and what else the machine has not, unpacked
#   ADDRESS   the node's address
#   KUBE      the program with Kubernetes        FILES  configurations, keys, images
set -eu

# The last word that the machine's /proc has for this one: whoever enters the node needs it.
read -r outside _ < /proc/self/stat
hostname "$NAME"
mount -t tmpfs -o mode=755,size=3g node "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root" "$WORK/data"
mount -t overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" node "$WORK/root"
root=$WORK/root

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
while read -r file kind major minor; do
    mknod -m 666 "$root/dev/$file" "$kind" "$major" "$minor"
done <<DEVICES
null c 1 3
zero c 1 5
full c 1 7
random c 1 8
urandom c 1 9
kmsg c 1 11
tty c 5 0
DEVICES
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in stdin:0 stdout:1 stderr:2; do
    ln -s "/proc/self/fd/${stream#*:}" "$root/dev/${stream%:*}"
done

mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
# Version 1 where the machine has it, with the controllers that it mounts; else version 2.
controllers=$(sed -n 's|^[^ ]* /sys/fs/cgroup/\([a-z_,]*\) cgroup .*|\1|p' /proc/mounts)
for controller in $controllers; do
    mkdir "$root/sys/fs/cgroup/$controller"
    case $controller in systemd) options=none,name=systemd ;; *) options=$controller ;; esac
    mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$controller"
done
if [ -z "$controllers" ]; then
    umount "$root/sys/fs/cgroup"
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
fi

mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root/run/openvswitch" "$root/run/netns" "$root/run/lock" "$root/opt/node" "$root/opt/kube" "$root/opt/programs" \
    "$root/opt/cni/bin" "$root/etc/cni/net.d" "$root/var/log/node" "$root/var/log/pods"
for dir in containerd kubelet flatnet; do
    mkdir -p "$WORK/data/$dir" "$root/var/lib/$dir"
    mount --bind "$WORK/data/$dir" "$root/var/lib/$dir"
done
mount --bind "$OVS" "$root/run/openvswitch"
mount --bind "$FILES" "$root/opt/node"
mount --bind "$PROGRAMS" "$root/opt/programs"
mount --bind "${KUBE%/*}" "$root/opt/kube"
mount --bind "$LOGS" "$root/var/log/node"

mount --make-rprivate /
cd "$root"
mkdir -p .before
pivot_root . .before
exec < /dev/null
umount -l /.before
cd /
# Containers' mounts reach the containers that are to see them, and none leaves the node.
mount --make-rshared /

export HOME=/root PATH=/opt/programs/usr/sbin:/opt/programs/usr/bin:/opt/programs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo "$outside" > /var/log/node/pid.new
mv /var/log/node/pid.new /var/log/node/pid
exec sh /opt/node/daemons.sh "$ADDRESS"
