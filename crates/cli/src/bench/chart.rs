//! Bars, grouped by pattern, one for each reactor, with its value at its end: SVG by hand.

use std::fmt::Write;

use super::html::escape;
use super::report::{Figures, Measured};

pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) note: &'static str,
    pub(crate) scale: Scale,
    pub(crate) value: fn(&Figures) -> Option<f64>,
    pub(crate) label: fn(f64) -> String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

/// In SVG units: the drawing's width, where bars begin, where the longest ends, and heights.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 870.0;
const TOP: f64 = 20.0;
const HEAD: f64 = 24.0;
const ROW: f64 = 17.0;
const BAR: f64 = 12.0;

impl Chart {
    pub(crate) fn draw(&self, results: &[Measured]) -> String {
        let values: Vec<f64> = results.iter().filter_map(|measured| self.value_of(measured)).collect();
        let Some(axis) = Axis::over(self.scale, &values) else { return String::new() };
        let mut patterns: Vec<_> = results.iter().map(|measured| measured.pattern).collect();
        patterns.sort();
        patterns.dedup();
        let mut bars = String::new();
        let mut y = TOP;
        for pattern in patterns {
            let _ =
                writeln!(bars, "<text class=\"head\" x=\"0\" y=\"{:.1}\">{pattern}</text>", y + HEAD - 8.0);
            y += HEAD;
            for measured in results.iter().filter(|measured| measured.pattern == pattern) {
                bars.push_str(&self.bar(measured, &axis, y));
                y += ROW;
            }
        }
        format!(
            "<h2>{}</h2>\n<p class=\"note\">{}</p>\n<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">\n{}{bars}</svg>\n",
            escape(self.title),
            escape(self.note),
            y + 6.0,
            escape(self.title),
            self.grid(&axis, y),
        )
    }

    fn value_of(&self, measured: &Measured) -> Option<f64> {
        measured.figures.as_ref().and_then(self.value).filter(|value| value.is_finite() && *value > 0.0)
    }

    fn bar(&self, measured: &Measured, axis: &Axis, y: f64) -> String {
        let reactor = measured.reactor;
        let text_y = y + BAR - 2.0;
        let name = format!("<text class=\"soft\" x=\"12\" y=\"{text_y:.1}\">{reactor}</text>");
        let Some(value) = self.value_of(measured) else {
            return format!("{name}<text x=\"{LEFT}\" y=\"{text_y:.1}\">no figure</text>\n");
        };
        let end = axis.place(value);
        let label = (self.label)(value);
        format!(
            "{name}<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"var(--c{})\">\
             <title>{reactor} {}: {label}</title></rect><text x=\"{:.1}\" y=\"{text_y:.1}\">{label}</text>\n",
            (end - LEFT).max(1.0),
            reactor as usize % 8,
            measured.pattern,
            end + 5.0,
        )
    }

    fn grid(&self, axis: &Axis, bottom: f64) -> String {
        axis.ticks().into_iter().fold(String::new(), |mut text, tick| {
            let x = axis.place(tick);
            let _ = writeln!(
                text,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/><text class=\"soft\" x=\"{x:.1}\" y=\"12\" \
                 text-anchor=\"middle\">{}</text>",
                (self.label)(tick)
            );
            text
        })
    }
}

/// Values from left to right.
#[derive(Clone, Copy, Debug)]
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    /// From 0, or the power of ten below the least, to the largest value.
    fn over(scale: Scale, values: &[f64]) -> Option<Self> {
        let high = values.iter().copied().reduce(f64::max)?;
        let least = values.iter().copied().reduce(f64::min)?;
        let low = match scale {
            Scale::Linear => 0.0,
            Scale::Logarithmic => 10_f64.powf((least * 0.999).log10().floor()),
        };
        Some(Self { scale, low, high })
    }

    fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => value / self.high,
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        LEFT + share * (RIGHT - LEFT)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step =
                    [1.0, 2.0, 5.0, 10.0].map(|part| part * 10_f64.powf((self.high / 5.0).log10().floor()));
                let step = step.into_iter().find(|step| self.high / step <= 6.0).unwrap_or(self.high);
                (0..).map(|count| f64::from(count) * step).take_while(|tick| *tick <= self.high).collect()
            }
            Scale::Logarithmic => (0..)
                .map(|power| self.low * 10_f64.powi(power))
                .take_while(|tick| *tick <= self.high)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_begin_at_nought_and_have_round_ticks() {
        let axis = Axis::over(Scale::Linear, &[20.0, 1_234_567.0]).unwrap();
        assert_eq!(axis.place(0.0), LEFT);
        assert_eq!(axis.place(1_234_567.0), RIGHT);
        assert_eq!(axis.ticks(), [0.0, 500_000.0, 1_000_000.0]);
    }

    #[test]
    fn logarithmic_axes_begin_at_a_power_of_ten() {
        let axis = Axis::over(Scale::Logarithmic, &[0.42, 33.0]).unwrap();
        assert!((axis.low - 0.1).abs() < 1e-9);
        assert_eq!(axis.ticks().len(), 3);
        assert!(axis.place(0.42) > LEFT && (axis.place(33.0) - RIGHT).abs() < 1e-9);
        // The least value has a bar, too.
        assert!(Axis::over(Scale::Logarithmic, &[10.0, 20.0]).unwrap().place(10.0) > LEFT + 1.0);
        assert!(Axis::over(Scale::Linear, &[]).is_none());
    }
}
