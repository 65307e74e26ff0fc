#!/bin/sh
# The daemons of a node, as its first process. A daemon that ends is not started again: the suite is to
# see it. The node ends with this process.
logs=/var/log/node
kube=/opt/kube/kube

containerd --config /opt/node/containerd.toml > $logs/containerd.log 2>&1 &
until ctr version > /dev/null 2>&1; do sleep 0.05; done
for image in /opt/images/*.tar; do
    ctr -n k8s.io images import "$image" >> $logs/images.log 2>&1
done

# Its working directory is never the root: it removes what is empty.
cd /var/lib/kubelet || exit
$kube kubelet --config /opt/node/kubelet.json --kubeconfig /opt/node/kubelet.conf \
    --hostname-override "$(hostname)" --node-ip "$1" > $logs/kubelet.log 2>&1 &
$kube proxy --config /opt/node/proxy.json --hostname-override "$(hostname)" > $logs/proxy.log 2>&1 &

# A process without a parent becomes ours: it is waited for.
while :; do wait; sleep 1; done
