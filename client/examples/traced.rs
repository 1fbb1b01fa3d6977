//! Spans by hand, without the rest of the stack: a parent, a child in a task of its own, and what a
//! call would carry. Needs somebody who takes spans at port 9411.

use std::error::Error;
use std::time::Duration;

use http::HeaderMap;
use speargun_client::report::Destination;
use speargun_client::trace::{Sampler, TracerSettings, scope};
use speargun_client::{Reporter, ReporterSettings, Tracer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = "http://localhost:9411/api/v2/spans".parse()?;
    let reporter = Reporter::start(ReporterSettings::new(Destination::Fixed(uri)))?;
    let mut settings = TracerSettings::new("night-shift");
    settings.sampler = Sampler::probability(1.0)?;
    let tracer = Tracer::new(settings, reporter.clone());

    let mut work = tracer.start("count the stars");
    work.tag("sky", "north");
    // A task that is started has no context of its own: it is given one.
    let child = tokio::spawn(scope(work.context().clone(), {
        let tracer = tracer.clone();
        async move {
            let mut span = tracer.start("look up");
            tokio::time::sleep(Duration::from_millis(3)).await;
            span.annotate("a meteor");
        }
    }));
    child.await?;
    let mut headers = HeaderMap::new();
    tracer.propagation().inject(work.context(), &mut headers);
    work.finish();

    reporter.close().await;
    let figures = reporter.figures();
    let sent = format!(
        "{headers:#?}\n{} of {} spans sent",
        figures.spans_sent, figures.spans
    );
    std::io::Write::write_all(&mut std::io::stdout(), format!("{sent}\n").as_bytes())?;
    Ok(())
}
