//! What OpenTelemetry's SDK of Rust reports, over gRPC and over HTTP, is read back.

use anyhow::{Context, Result, ensure};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context as Spans, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use speargun_e2e::broker::check::wait_for_trace_of;
use speargun_e2e::{Connection, Options, Server};

#[test]
fn what_the_sdk_of_rust_reports_over_http_is_read_back() -> Result<()> {
    for protocol in [Protocol::HttpBinary, Protocol::HttpJson] {
        let server = Server::start(Options::default())?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Socket)
            .with_protocol(protocol)
            .with_endpoint(format!("http://127.0.0.1:{}/v1/traces", server.port()))
            .build()?;
        report(&server, exporter)?;
    }
    Ok(())
}

#[test]
fn what_the_sdk_of_rust_reports_over_grpc_is_read_back() -> Result<()> {
    let server = Server::start(Options::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://127.0.0.1:{}", server.port()))
        .build()?;
    drop(entered);
    report(&server, exporter)
}

/// Makes a trace of two spans and checks what is read of it.
fn report(server: &Server, exporter: SpanExporter) -> Result<()> {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder_empty().with_service_name("rusty").build())
        .build();
    let tracer = provider.tracer("shop");
    let server_span = tracer
        .span_builder("get /order")
        .with_kind(SpanKind::Server);
    let root = Spans::new().with_span(server_span.start(&tracer));
    let mut client = tracer
        .span_builder("GET")
        .with_kind(SpanKind::Client)
        .start_with_context(&tracer, &root);
    client.set_attribute(KeyValue::new("http.response.status_code", 503));
    client.add_event("retry", Vec::new());
    client.set_status(Status::error("unavailable"));
    client.end();
    let id = root.span().span_context().trace_id().to_string();
    root.span().end();
    // It waits for the answers.
    provider.shutdown()?;

    let spans: Vec<Value> = serde_json::from_slice(&wait_for_trace_of(server, &id, 2)?)?;
    let of = |kind: &str| {
        let found = spans.iter().find(|span| span["kind"] == kind);
        found.with_context(|| format!("no {kind} in {spans:?}"))
    };
    let (root, client) = (of("SERVER")?, of("CLIENT")?);
    ensure!(
        root["name"] == "get /order" && root["parentId"].is_null(),
        "{root}"
    );
    ensure!(client["parentId"] == root["id"], "{client}");
    ensure!(
        client["localEndpoint"]["serviceName"] == "rusty",
        "{client}"
    );
    let tags = &client["tags"];
    ensure!(tags["http.response.status_code"] == "503", "{client}");
    ensure!(
        tags["error"] == "unavailable" && tags["otel.scope.name"] == "shop",
        "{client}"
    );
    ensure!(client["annotations"][0]["value"] == "retry", "{client}");
    Ok(())
}

/// The SDK leaves the socket to whoever has one.
#[derive(Debug)]
struct Socket;

#[async_trait::async_trait]
impl HttpClient for Socket {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut own = speargun_e2e::Request::spans(body.to_vec());
        head.uri.path().clone_into(&mut own.target);
        let headers = head.headers.iter();
        own.headers = headers
            .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
            .collect::<Result<_, HttpError>>()?;
        let mut connection = Connection::open(head.uri.port_u16().ok_or("no port")?)?;
        let answer = connection.ask(&own)?;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(answer.body.into())?)
    }
}
