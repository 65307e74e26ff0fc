// What the suite `kubernetes` needs of Kubernetes, as it is released, in one program: no
// distribution packages it, and the module proxy serves its sources.
//
//	kube apiserver FLAGS      the API server
//	kube kubectl ARGS         its client
//	kube candidate ARGS       one that would lead by client-go's own leader election
package main

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "kube apiserver | kubectl | candidate")
		os.Exit(2)
	}
	what := os.Args[1]
	os.Args = append([]string{what}, os.Args[2:]...)
	switch what {
	case "apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	case "kubectl":
		os.Exit(cli.Run(kubectl.NewDefaultKubectlCommand()))
	case "candidate":
		os.Exit(candidate(os.Args[1:]))
	default:
		fmt.Fprintf(os.Stderr, "kube: there is no %s\n", what)
		os.Exit(2)
	}
}
