#!/bin/sh
# The first process of the guest. Its root is the machine's own file system, read-only; it makes
# one that can be written of it, whose writes stay in the guest's memory, loads the modules, waits
# until Open vSwitch can start, runs the job and powers off.
#
# From the kernel's command line: GUEST_JOB, the directory of the job on the machine;
# GUEST_MODULES, the directory below which lib/modules is; GUEST_UPTIME, the age in seconds that
# the kernel must have before the command runs; GUEST_SHARE, how a directory of the machine is
# mounted: "hostfs", or "bind" where the root itself can be written; GUEST_CONSOLE, the terminal's
# device; GUEST_PROGRAMS, where it is there, a directory of unpacked packages, which lies over the
# machine's files. The job directory has the script `command`, and `writable`, the directories that
# are to be written through, one in a line; the exit status goes to its file `status`.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

give_up() {
    echo "guest: $*"
    exec poweroff -f
}

share() { # a directory of the machine, and where
    case $GUEST_SHARE in
    hostfs) mount -t hostfs -o "$1" none "$2" ;;
    bind) mount --bind "$1" "$2" ;;
    *) false ;;
    esac
}

mount -t proc proc /proc && mount -t tmpfs tmpfs /run || give_up "no /proc or no /run"
modprobe -d "$GUEST_MODULES" overlay || give_up "no overlay file system in the kernel"
mkdir /run/upper /run/work /run/root /run/programs
lower=/
if [ -n "$GUEST_PROGRAMS" ]; then
    # Mounted once more: the layers of an overlay may not be within each other.
    share "$GUEST_PROGRAMS" /run/programs || give_up "no $GUEST_PROGRAMS"
    lower=/run/programs:/
fi
mount -t overlay -o lowerdir=$lower,upperdir=/run/upper,workdir=/run/work overlay /run/root ||
    give_up "the machine's file system cannot be overlaid"
cd /run/root || give_up "no new root"
mkdir -p proc sys dev run tmp old
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mount -t cgroup2 cgroup sys/fs/cgroup
mkdir -p run/netns run/lock run/guest
share "$GUEST_JOB" run/guest || give_up "the job's directory is not there"
while read -r directory; do
    mkdir -p ".$directory"
    share "$directory" ".$directory" || give_up "$directory cannot be shared"
done <run/guest/writable
# The kernel loads by itself what is asked of it, from the usual place.
mkdir -p lib/modules
mount --bind "$GUEST_MODULES/lib/modules" lib/modules || give_up "no modules in $GUEST_MODULES"
umount /proc
pivot_root . old || give_up "the root cannot be changed"

# What was shared stays as it is.
mount -o remount,bind,ro /old || give_up "the machine's root cannot be made read-only"
modprobe -a openvswitch 8021q bonding bridge sch_netem tun veth dummy ifb ||
    echo "guest: the kernel lacks modules"
ip link set lo up
# All namespaces share the bounds of the neighbour tables; the usual ones are too small for a
# hundred containers that talk to one another.
for family in ipv4 ipv6; do
    for bound in gc_thresh1:2048 gc_thresh2:8192 gc_thresh3:16384; do
        echo "${bound#*:}" >"/proc/sys/net/$family/neigh/default/${bound%:*}"
    done
done
# ovs-vswitchd starts without handler threads on a kernel that booted less than 10 s ago, and
# then every first packet of a flow is lost.
while read -r up _ </proc/uptime && [ "${up%%.*}" -lt "${GUEST_UPTIME:-11}" ]; do sleep 0.2; done
if [ -e /run/guest/terminal ]; then
    setsid -c sh /run/guest/command <>"/dev/$GUEST_CONSOLE" >&0 2>&1
    echo $? >/run/guest/status
else
    # Through a pipe: what is printed for a log and not for a terminal has no escape sequences.
    { sh /run/guest/command </dev/null 2>&1; echo $? >/run/guest/status; } | cat
fi
exec poweroff -f
