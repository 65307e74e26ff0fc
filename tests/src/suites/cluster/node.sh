#!/bin/sh
# A Kubernetes node on one machine, in the network namespace of a node of the lab. It has namespaces of its
# own for the rest (mount, uts, ipc, pid, cgroup). Its root is an overlay on the machine's, whose changes
# are in memory and go with the mount namespace: nothing of the machine is written but LOGS.
#
#   NAME      the node's name                    ADDRESS   its address
#   CGROUPS   its directory in each hierarchy of cgroups
#   WORK      an empty directory, where the root is put together
#   LOGS      where the daemons' logs go, and `pid`, by which the machine knows the node's first process
#   OVS       the directory of Open vSwitch's sockets
#   PROGRAMS  containerd, runc and busybox, unpacked     IMAGES   what containerd imports
#   KUBE      the program with Kubernetes                FILES    configurations and keys
set -eu

if [ "${1-}" != inside ]; then
    for group in $CGROUPS; do
        mkdir "$group"
        # Of version 1: a new group has no processor and no memory, and nobody can be in it.
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$group/$file" ] || cat "$group/../$file" > "$group/$file"
        done
        echo $$ > "$group/cgroup.procs"
    done
    exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child=KILL --propagation private \
        sh "$0" inside
fi

# The last word that the machine's /proc has for this one: whoever enters the node needs it.
read -r outside _ < /proc/self/stat
hostname "$NAME"
mount -t tmpfs -o mode=755,size=3g node "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root" "$WORK/data"
mount -t overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" node "$WORK/root"
root=$WORK/root

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
# As kubeadm demands of a host: kube-proxy's translations are forwarded.
echo 1 > "$root/proc/sys/net/ipv4/ip_forward"
echo 1 > "$root/proc/sys/net/ipv6/conf/all/forwarding"
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

# The controllers that the machine has mounted, each seen from the node's own group.
mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
for group in $CGROUPS; do
    controller=${group%/*}
    controller=${controller##*/}
    mkdir "$root/sys/fs/cgroup/$controller"
    case $controller in systemd) options=none,name=systemd ;; *) options=$controller ;; esac
    mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$controller"
done

mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root/run/openvswitch" "$root/run/netns" "$root/run/lock" "$root/opt/node" "$root/opt/kube" \
    "$root/opt/programs" "$root/opt/images" "$root/opt/cni/bin" "$root/etc/cni/net.d" \
    "$root/var/log/node" "$root/var/log/pods"
for dir in containerd kubelet flatnet; do
    mkdir -p "$WORK/data/$dir" "$root/var/lib/$dir"
    mount --bind "$WORK/data/$dir" "$root/var/lib/$dir"
done
# Whatever the machine has there is not the node's.
mount -t tmpfs -o mode=755 plugins "$root/opt/cni/bin"
mount -t tmpfs -o mode=755 networks "$root/etc/cni/net.d"
mount --bind "$OVS" "$root/run/openvswitch"
mount --bind "$FILES" "$root/opt/node"
mount --bind "$IMAGES" "$root/opt/images"
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

system=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root PATH="/opt/programs/usr/sbin:/opt/programs/usr/bin:/opt/programs/bin:$system"
echo "$outside" > /var/log/node/pid.new
mv /var/log/node/pid.new /var/log/node/pid
exec sh /opt/node/daemons.sh "$ADDRESS"
