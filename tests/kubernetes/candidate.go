package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// candidate would lead until it is told to end; a line on stdout says when it begins and when
// it ends to.
func candidate(args []string) int {
	flags := flag.NewFlagSet("candidate", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "the way to the API server")
	namespace := flags.String("namespace", "", "the Lease's namespace")
	name := flags.String("name", "", "the Lease's name")
	identity := flags.String("identity", "", "who this is")
	duration := flags.Duration("duration", 10*time.Second, "how long a standby waits")
	_ = flags.Parse(args) // it exits by itself

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	leaderelection.RunOrDie(told, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: *namespace, Name: *name},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
		},
		LeaseDuration:   *duration,
		RenewDeadline:   *duration * 7 / 10,
		RetryPeriod:     *duration / 5,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { fmt.Println("leads") },
			OnStoppedLeading: func() { fmt.Println("leads no more") },
		},
	})
	return 0
}
