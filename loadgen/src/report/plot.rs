//! Plots as SVG: small ones inside a page, and files of their own that are readable on light and
//! dark grounds. What is plotted others decide.

use std::fmt::Write;

/// Appends formatted text. Writing to memory can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        write!($out, $($text)*).unwrap_or(())
    };
}

/// The colours of lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// The first choice.
    Blue,
    /// For what is bad when it is high.
    Red,
    /// Between good and bad.
    Amber,
    /// For what is only a comparison.
    Grey,
    /// A further line.
    Green,
    /// A further line.
    Violet,
}

impl Colour {
    const fn on_light(self) -> &'static str {
        match self {
            Self::Blue => "#1f6feb",
            Self::Red => "#b00020",
            Self::Amber => "#bf8700",
            Self::Grey => "#8c959f",
            Self::Green => "#116329",
            Self::Violet => "#8250df",
        }
    }

    const fn on_dark(self) -> &'static str {
        match self {
            Self::Blue => "#58a6ff",
            Self::Red => "#ff7b72",
            Self::Amber => "#e3b341",
            Self::Grey => "#8c959f",
            Self::Green => "#3fb950",
            Self::Violet => "#bc8cff",
        }
    }

    /// Lines differ in their dashes too, for those who see colours differently or print without.
    const fn dashes(self) -> &'static str {
        match self {
            Self::Blue => "none",
            Self::Red => "7 3",
            Self::Amber => "2 3",
            Self::Grey => "9 3 2 3",
            Self::Green => "12 4",
            Self::Violet => "5 2 1 2",
        }
    }
}

/// A line of a plot.
#[derive(Clone, PartialEq, Debug)]
pub struct Line<'a> {
    /// What it shows, in the legend.
    pub name: &'a str,
    /// How it is drawn.
    pub colour: Colour,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// How values lie on an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// Evenly, from zero to the largest.
    FromZero,
    /// Each power of ten as long as the next; values are above zero.
    Powers,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis<'a> {
    /// What it shows and in which unit; not drawn in a page, where the title has to do.
    pub name: &'a str,
    /// How values lie on it.
    pub scale: Scale,
    /// How a mark is written.
    pub show: fn(f64) -> String,
    /// The marks; without any there are three, or the powers of ten.
    pub marks: Vec<f64>,
}

/// A plot: what its axes show, and its lines.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// Above it.
    pub title: &'a str,
    /// The axis below.
    pub x: Axis<'a>,
    /// The axis to the left.
    pub y: Axis<'a>,
    /// Drawn in this order.
    pub lines: Vec<Line<'a>>,
}

/// Where values of an axis lie: from `at` on, `length` long (negative upwards).
struct Place {
    scale: Scale,
    from: f64,
    to: f64,
    at: f64,
    length: f64,
}

impl Place {
    fn new(
        axis: &Axis,
        values: impl Iterator<Item = f64> + Clone,
        (at, length): (f64, f64),
    ) -> Self {
        let (from, to) = match axis.scale {
            Scale::FromZero => (0.0, values.fold(0.0, f64::max).max(1e-9)),
            Scale::Powers => {
                let shown = values.chain(axis.marks.iter().copied());
                let shown = shown.filter(|value| *value > 0.0);
                let most = shown.clone().fold(1e-9, f64::max).log10();
                let least = shown.fold(f64::INFINITY, f64::min).log10().min(most);
                // Marks that the caller chose may be the borders; else whole powers are.
                match axis.marks.as_slice() {
                    [] => (least.floor(), most.ceil().max(least.floor() + 1.0)),
                    _ => (least, most.max(least + 1e-9)),
                }
            }
        };
        Self {
            scale: axis.scale,
            from,
            to,
            at,
            length,
        }
    }

    fn of(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::FromZero => value,
            Scale::Powers => value.max(1e-9).log10(),
        };
        self.at + (value - self.from) / (self.to - self.from) * self.length
    }

    fn marks(&self, axis: &Axis) -> Vec<f64> {
        let chosen = axis.marks.iter().copied();
        match (axis.marks.as_slice(), self.scale) {
            ([], Scale::FromZero) => vec![0.0, self.to / 2.0, self.to],
            ([], Scale::Powers) => {
                let mut power = self.from;
                let mut marks = Vec::new();
                // A plot of more powers than an f64 has does not exist.
                while power <= self.to + 1e-9 {
                    marks.push(10_f64.powf(power));
                    power += 1.0;
                }
                marks
            }
            (_, Scale::FromZero) => chosen.filter(|mark| *mark <= self.to).collect(),
            (_, Scale::Powers) => chosen.collect(),
        }
    }
}

fn places(plot: &Plot, frame: &Frame) -> (Place, Place) {
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let across = (frame.left, frame.right - frame.left);
    let upwards = (frame.bottom, frame.top - frame.bottom);
    (
        Place::new(&plot.x, points().map(|at| at.0), across),
        Place::new(&plot.y, points().map(|at| at.1), upwards),
    )
}

fn path(points: &[(f64, f64)], (x, y): (&Place, &Place)) -> String {
    let mut path = String::new();
    for (place, (at, value)) in points.iter().enumerate() {
        let word = if place == 0 { 'M' } else { 'L' };
        put!(path, "{word}{:.1} {:.1}", x.of(*at), y.of(*value));
    }
    path
}

/// The borders of what is drawn between the axes.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Appends the plot as a figure of a page, whose style gives it its looks.
pub(super) fn figure(out: &mut String, plot: &Plot) {
    const WIDTH: f64 = 340.0;
    const HEIGHT: f64 = 120.0;
    let frame = Frame {
        left: 62.0,
        right: WIDTH - 12.0,
        top: 6.0,
        bottom: HEIGHT - 18.0,
    };
    let (x, y) = places(plot, &frame);
    put!(out, "<figure><figcaption>{}", plot.title);
    // Of one line the title says what it is. Beside it, for within the plot they would hide lines.
    for line in plot.lines.iter().filter(|_| plot.lines.len() > 1) {
        let colour = line.colour.on_light();
        put!(out, " <span style=\"color:{colour}\">{}</span>", line.name);
    }
    put!(
        out,
        "</figcaption><svg role=\"img\" aria-label=\"{}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">",
        plot.title
    );
    axes(out, &frame);
    marks(out, plot, (&x, &y), &frame);
    for line in &plot.lines {
        let colour = line.colour.on_light();
        let path = path(&line.points, (&x, &y));
        put!(out, "<path stroke=\"{colour}\" d=\"{path}\"/>");
    }
    out.push_str("</svg></figure>\n");
}

fn axes(out: &mut String, frame: &Frame) {
    put!(
        out,
        "<path class=\"axis\" d=\"M{} {}V{:.1}H{:.1}\"/>",
        frame.left,
        frame.top,
        frame.bottom,
        frame.right
    );
}

fn marks(out: &mut String, plot: &Plot, (x, y): (&Place, &Place), frame: &Frame) {
    for mark in x.marks(&plot.x) {
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x.of(mark),
            frame.bottom + 12.0,
            escaped(&(plot.x.show)(mark))
        );
    }
    for mark in y.marks(&plot.y) {
        put!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            frame.left - 4.0,
            y.of(mark) + 3.0,
            escaped(&(plot.y.show)(mark))
        );
    }
}

/// Returns the plot as a file of its own. It has no ground, and follows the reader's choice of
/// light or dark.
pub fn file(plot: &Plot) -> String {
    const WIDTH: f64 = 760.0;
    const HEIGHT: f64 = 380.0;
    let frame = Frame {
        left: 76.0,
        right: 510.0,
        top: 40.0,
        bottom: HEIGHT - 52.0,
    };
    let (x, y) = places(plot, &frame);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n<title>{0}</title>\n<style>{1}\
         </style>\n<text class=\"title\" x=\"{2}\" y=\"22\">{0}</text>\n",
        escaped(plot.title),
        style(plot),
        frame.left
    );
    for mark in y.marks(&plot.y) {
        let (left, at, right) = (frame.left, y.of(mark), frame.right);
        put!(
            out,
            "<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>\n"
        );
    }
    axes(&mut out, &frame);
    marks(&mut out, plot, (&x, &y), &frame);
    let middle = f64::midpoint(frame.top, frame.bottom);
    put!(
        out,
        "\n<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n<text \
         transform=\"translate(16 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        f64::midpoint(frame.left, frame.right),
        frame.bottom + 36.0,
        escaped(plot.x.name),
        escaped(plot.y.name)
    );
    for (index, line) in plot.lines.iter().enumerate() {
        let path = path(&line.points, (&x, &y));
        put!(out, "<path class=\"l{index}\" d=\"{path}\"/>");
        for (at, value) in &line.points {
            let (at, value) = (x.of(*at), y.of(*value));
            put!(
                out,
                "<circle class=\"p{index}\" cx=\"{at:.1}\" cy=\"{value:.1}\" r=\"3\"/>"
            );
        }
        out.push('\n');
    }
    legend(&mut out, plot, &frame);
    out.push_str("</svg>\n");
    out
}

/// The highest line's name stands first.
fn legend(out: &mut String, plot: &Plot, frame: &Frame) {
    let last = |line: &Line| line.points.last().map_or(0.0, |at| at.1);
    let mut order: Vec<(usize, &Line)> = plot.lines.iter().enumerate().collect();
    order.sort_by(|a, b| last(b.1).total_cmp(&last(a.1)));
    let (left, mut at) = (frame.right + 20.0, frame.top + 12.0);
    for (index, line) in order {
        put!(
            out,
            "<path class=\"l{index}\" d=\"M{left} {at}h30\"/><circle class=\"p{index}\" \
             cx=\"{}\" cy=\"{at}\" r=\"3\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
            left + 15.0,
            left + 38.0,
            at + 4.0,
            escaped(line.name)
        );
        at += 22.0;
    }
}

fn style(plot: &Plot) -> String {
    let mut light = String::from(
        "text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;font-size:14px;\
         fill:#1b1f24}path{fill:none;stroke-width:1.8}.axis{stroke:#8c959f;stroke-width:1}\
         .grid{stroke:#d8dee4;stroke-width:1}",
    );
    let mut dark = String::from("text{fill:#9da7b3}.title{fill:#e6edf3}.grid{stroke:#30363d}");
    for (index, line) in plot.lines.iter().enumerate() {
        let (on_light, dashes) = (line.colour.on_light(), line.colour.dashes());
        put!(
            light,
            ".l{index}{{stroke:{on_light};stroke-dasharray:{dashes}}}.p{index}{{fill:{on_light}}}"
        );
        let on_dark = line.colour.on_dark();
        put!(
            dark,
            ".l{index}{{stroke:{on_dark}}}.p{index}{{fill:{on_dark}}}"
        );
    }
    format!("{light}@media (prefers-color-scheme:dark){{{dark}}}")
}

/// Returns a text as it is written between tags and in quotes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(scale: Scale, marks: Vec<f64>) -> Plot<'static> {
        let axis = |marks| Axis {
            name: "spans & more",
            scale,
            show: |value| format!("{value:.0}"),
            marks,
        };
        Plot {
            title: "Cost",
            x: axis(marks),
            y: axis(Vec::new()),
            lines: vec![
                Line {
                    name: "low",
                    colour: Colour::Blue,
                    points: vec![(1.0, 20.0), (10.0, 30.0), (100.0, 40.0)],
                },
                Line {
                    name: "high",
                    colour: Colour::Red,
                    points: vec![(1.0, 200.0), (100.0, 2000.0)],
                },
            ],
        }
    }

    #[test]
    fn powers_of_ten_are_equally_long() {
        let plot = plot(Scale::Powers, vec![1.0, 10.0, 100.0]);
        let frame = Frame {
            left: 0.0,
            right: 100.0,
            top: 0.0,
            bottom: 300.0,
        };
        let (x, y) = places(&plot, &frame);
        for (value, at) in [(1.0, 0.0), (10.0, 50.0), (100.0, 100.0)] {
            assert!(
                (x.of(value) - at).abs() < 1e-6,
                "{value} at {}",
                x.of(value)
            );
        }
        // From 10 to 10,000, upwards.
        for (value, at) in [(10.0, 300.0), (100.0, 200.0), (10_000.0, 0.0)] {
            assert!(
                (y.of(value) - at).abs() < 1e-6,
                "{value} at {}",
                y.of(value)
            );
        }
        assert_eq!(y.marks(&plot.y).len(), 4);
    }

    #[test]
    fn an_even_axis_begins_at_zero() {
        let plot = plot(Scale::FromZero, Vec::new());
        let frame = Frame {
            left: 10.0,
            right: 110.0,
            top: 0.0,
            bottom: 100.0,
        };
        let (x, y) = places(&plot, &frame);
        assert!((x.of(0.0) - 10.0).abs() < 1e-6 && (y.of(2000.0)).abs() < 1e-6);
        assert_eq!(y.marks(&plot.y), [0.0, 1000.0, 2000.0]);
    }

    #[test]
    fn a_file_has_each_line_its_points_and_both_grounds() {
        let text = file(&plot(Scale::Powers, vec![1.0, 100.0]));
        // Five points, and one in the legend of each line.
        assert_eq!(text.matches("<circle").count(), 7);
        assert!(text.contains("spans &amp; more"));
        assert!(text.contains("prefers-color-scheme:dark"));
        assert!(text.find(">high<") < text.find(">low<"));
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn names_of_lines_stand_beside_the_title_of_a_figure() {
        let mut out = String::new();
        figure(&mut out, &plot(Scale::FromZero, Vec::new()));
        let (caption, picture) = out.split_once("</figcaption>").unwrap();
        for name in [">low<", ">high<"] {
            assert!(caption.contains(name) && !picture.contains(name), "{out}");
        }
        assert_eq!(picture.matches("<path stroke").count(), 2);
    }

    #[test]
    fn a_plot_of_nothing_is_drawn_all_the_same() {
        for scale in [Scale::Powers, Scale::FromZero] {
            let mut plot = plot(scale, Vec::new());
            plot.lines.truncate(1);
            plot.lines[0].points.clear();
            let text = file(&plot);
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
