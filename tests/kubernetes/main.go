// What the suites `kubernetes` and `cluster` need of Kubernetes, as it is released, in one
// program: no distribution packages it, the module proxy serves its sources, and nearly all of
// the code is shared.
//
//	kube apiserver FLAGS            the API server
//	kube controller-manager FLAGS   the controllers of Deployments, DaemonSets, Nodes, …
//	kube scheduler FLAGS            the scheduler
//	kube kubelet FLAGS              a node's agent
//	kube proxy FLAGS                kube-proxy
//	kube kubectl ARGS               the client
//	kube candidate ARGS             one that would lead by client-go's own leader election
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func() *cobra.Command{
	"apiserver":          apiserver.NewAPIServerCommand,
	"controller-manager": controllers.NewControllerManagerCommand,
	"scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":            func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"proxy":              proxy.NewProxyCommand,
	"kubectl":            kubectl.NewDefaultKubectlCommand,
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "kube apiserver | controller-manager | scheduler | kubelet | proxy | kubectl | candidate")
		os.Exit(2)
	}
	what := os.Args[1]
	os.Args = append([]string{what}, os.Args[2:]...)
	if what == "candidate" {
		os.Exit(candidate(os.Args[1:]))
	}
	program, known := programs[what]
	if !known {
		fmt.Fprintf(os.Stderr, "kube: there is no %s\n", what)
		os.Exit(2)
	}
	os.Exit(cli.Run(program()))
}
