//! What has to hold before a load begins: what is named is there, the target may be loaded, and it
//! answers as a Zipkin-compatible server does. It sends no spans.

use super::Failure;
use crate::line::{Line, Outcome, Transport};
use crate::options::{FormatName, Options};
use crate::pool::Filled;
use crate::run::reason;
use crate::target::{Target, TargetError};
use crate::tls::Trust;
use crate::{plan, process};

/// Checks what is named and has to be there.
pub(super) fn check(options: &Options) -> Result<(), Failure> {
    let asked = &options.check;
    if let Some(pid) = asked.pid
        && process::memory(pid).is_err()
    {
        let text = format!("--pid {pid}: there is no such process that may be looked at");
        return Err(Failure::Usage(text));
    }
    if let Some(folder) = &asked.data
        && !folder.is_dir()
    {
        let text = format!("--data {}: there is no such folder", folder.display());
        return Err(Failure::Usage(text));
    }
    Ok(())
}

pub(super) fn target(options: &Options) -> Result<Target, Failure> {
    let trust = match (&options.ca, options.insecure) {
        (Some(path), _) => Trust::File(path),
        (None, true) => Trust::Anyone,
        (None, false) => Trust::System,
    };
    let target = Target::parse(&options.target, trust).map_err(|error| match error {
        TargetError::Unusable(text) => Failure::Usage(text),
        TargetError::Unknown(text) => Failure::Unreachable(text),
    })?;
    if target.tls.is_none() && !matches!(trust, Trust::System) {
        return Err(Failure::Usage(
            "--ca and --insecure are for https:// targets".into(),
        ));
    }
    if !target.is_private() && !options.yes_i_own_this_target {
        return Err(Failure::Usage(format!(
            "{} is neither on this machine nor in a private network; if it is yours to load, say \
             --yes-i-own-this-target",
            target.address
        )));
    }
    Ok(target)
}

pub(super) fn transport(options: &Options) -> Result<Transport, Failure> {
    let gzip = options.body.gzip;
    match (options.body.format, gzip) {
        (FormatName::Grpc, true) => Err(Failure::Usage("gRPC is not sent with --gzip".into())),
        (FormatName::Grpc, false) => Ok(Transport::Grpc),
        (format, gzip) => Ok(Transport::Http {
            format: plan::format(format),
            gzip,
        }),
    }
}

/// A body without spans, which Zipkin takes as the question whether it is there.
pub(super) fn ask(
    target: &mut Target,
    transport: &Transport,
    options: &Options,
) -> Result<(), Failure> {
    let (path, empty) = match transport {
        Transport::Http { format, .. } => (format.path(), &b"[]"[..]),
        Transport::Grpc => ("/zipkin.proto3.SpanService/Report", &b""[..]),
    };
    // An empty list of proto3 is no bytes at all, which not every server takes: JSON asks for it.
    let asks = match transport {
        Transport::Http { format, .. } => Transport::Http {
            format: match format {
                crate::workload::Format::Proto => crate::workload::Format::Json,
                other => *other,
            },
            gzip: false,
        },
        Transport::Grpc => Transport::Grpc,
    };
    let body = Filled {
        bytes: empty.to_vec(),
        spans: 0,
    };
    let patience = options.pace.timeout;
    let question =
        |target: &Target| Line::new(&asks, target, patience).and_then(|mut line| line.send(&body));
    let mut asked = question(target);
    // A name may have addresses on which nobody listens.
    while asked.is_err() && target.next_address() {
        asked = question(target);
    }
    let what = format!("POST {}{path} on {}", target.base, target.authority);
    match asked {
        Ok(Outcome::Accepted | Outcome::Refused { .. }) => Ok(()),
        Ok(Outcome::Failed { status: 404, .. }) => Err(Failure::Unreachable(format!(
            "{what} is 404: no Zipkin-compatible server, or below another path"
        ))),
        Ok(Outcome::Failed { status, text }) => Err(Failure::Unreachable(format!(
            "{what} failed with status {status}: {text}"
        ))),
        Err(error) => Err(Failure::Unreachable(format!("{what}: {}", reason(&error)))),
    }
}
