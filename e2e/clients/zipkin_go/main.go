// Reports one trace through zipkin-go over HTTP: zipkin_go PORT FORMAT START.
// FORMAT is json or proto, with 64 behind it for short trace ids; START is when the trace began,
// in microseconds. Prints the ids of the trace, the root and the child. Nothing here knows that
// the server is not Zipkin.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	zipkin "github.com/openzipkin/zipkin-go"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"github.com/openzipkin/zipkin-go/reporter"
	"github.com/openzipkin/zipkin-go/reporter/http"
)

func main() {
	url := "http://127.0.0.1:" + os.Args[1] + "/api/v2/spans"
	format := os.Args[2]
	micros, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)
	start := time.Unix(0, micros*1000)

	var serializer reporter.SpanSerializer = reporter.JSONSerializer{}
	if strings.HasPrefix(format, "proto") {
		serializer = zipkin_proto3.SpanSerializer{}
	}
	sender := http.NewReporter(url, http.Serializer(serializer), http.Timeout(20*time.Second))
	tracer, err := zipkin.NewTracer(
		sender,
		zipkin.WithLocalEndpoint(endpoint("Go-Shop", "192.168.1.7:8080")),
		zipkin.WithTraceID128Bit(!strings.HasSuffix(format, "64")),
	)
	check(err)

	root := tracer.StartSpan(
		"GET /Orders",
		zipkin.Kind(model.Server),
		zipkin.StartTime(start),
		zipkin.RemoteEndpoint(endpoint("Browser", "[2001:db8::c001]:40123")),
	)
	root.Tag("http.path", "/orders/7")
	root.Tag("städte", "Zürich")
	child := tracer.StartSpan(
		"query",
		zipkin.Kind(model.Client),
		zipkin.Parent(root.Context()),
		zipkin.StartTime(start.Add(125*time.Millisecond)),
		zipkin.RemoteEndpoint(endpoint("MySQL", "127.0.0.1:3306")),
	)
	child.Annotate(start.Add(250*time.Millisecond), "first row")
	child.FinishedWithDuration(250 * time.Millisecond)
	root.FinishedWithDuration(time.Second)
	check(sender.Close())
	fmt.Println(root.Context().TraceID, root.Context().ID, child.Context().ID)
}

func endpoint(name, address string) *model.Endpoint {
	endpoint, err := zipkin.NewEndpoint(name, address)
	check(err)
	return endpoint
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
