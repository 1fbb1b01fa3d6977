//! The rows of one trace on their way to the linker, in the order that the contract asks for.

use speargun_model::link::Linker;

use super::Row;

/// Adds the calls of a trace, whose rows come in order of arrival.
pub(crate) fn put_trace(linker: &mut Linker<u32>, rows: &[Row]) {
    if !linker.put_simple(rows) {
        linker.put_trace(by_millisecond(rows));
    }
}

/// Returns the rows of a trace in the order of the contract: by groups of equal milliseconds, the
/// groups and what is in them by arrival.
fn by_millisecond(rows: &[Row]) -> impl Iterator<Item = Row> {
    let mut order: Vec<(u64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (row.timestamp_us / 1000, index))
        .collect();
    order.sort_unstable();
    let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let first = group.first().map_or(0, |&(_, index)| index);
        ranked.extend(group.iter().map(|&(_, index)| (first, index)));
    }
    ranked.sort_unstable();
    ranked
        .into_iter()
        .filter_map(|(_, index)| rows.get(index).copied())
}
