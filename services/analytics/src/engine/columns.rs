//! Columns as the kernels read them: plain arrays, one entry per row of a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array as _, BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, UInt32Array,
};
use arrow::datatypes::Int32Type;
use kernel::{Error, Result};
use prost::Message as _;
use wire::event::Event;

use super::cache::Weigh;
use super::layout::{self, Variant, damaged};
use super::run::{Pick, Run};
use crate::domain::{Bits, Scalar, scalar};

/// Rows read at a time.
const BATCH: usize = 1 << 14;

type Texts = DictionaryArray<Int32Type>;

/// The event names of a workspace by number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Mutex<HashMap<Arc<str>, u32>>,
}

impl Names {
    fn number(&self, name: &str) -> u32 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        *known.entry(name.into()).or_insert(next)
    }

    /// What `value` says about every name, by number.
    pub(crate) fn table<T: Clone + Default>(&self, value: impl Fn(&str) -> T) -> Vec<T> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = vec![T::default(); known.len()];
        for (name, number) in known.iter() {
            table[*number as usize] = value(name);
        }
        table
    }
}

/// What every query reads.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    /// The different records, ascending.
    pub(crate) records: Vec<u32>,
    /// Where the rows of each of them start; one more at the end.
    pub(crate) starts: Vec<u32>,
    /// By row: number of the name.
    pub(crate) names: Vec<u32>,
    /// By row, µs.
    pub(crate) times: Vec<i64>,
}

/// When events were received, by row, µs.
#[derive(Debug)]
pub(crate) struct Received(pub(crate) Vec<i64>);

/// The numbers of a property by row; NaN where it has none.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) Vec<f64>);

/// The keys of a breakdown.
#[derive(Debug)]
pub(crate) struct Keys {
    /// By row: number of the key.
    pub(crate) codes: Vec<u32>,
    /// By number; 0 is the empty key.
    pub(crate) keys: Vec<Arc<str>>,
}

impl Weigh for Hot {
    fn bytes(&self) -> usize {
        4 * (self.records.len() + self.starts.len() + self.names.len()) + 8 * self.times.len()
    }
}

impl Weigh for Received {
    fn bytes(&self) -> usize {
        8 * self.0.len()
    }
}

impl Weigh for Numbers {
    fn bytes(&self) -> usize {
        8 * self.0.len()
    }
}

impl Weigh for Keys {
    fn bytes(&self) -> usize {
        4 * self.codes.len() + self.keys.iter().map(|key| key.len() + 24).sum::<usize>()
    }
}

impl Weigh for Bits {
    fn bytes(&self) -> usize {
        Self::bytes(self)
    }
}

/// Records, names and times.
pub(crate) fn hot(run: &Run, names: &Names) -> Result<Hot> {
    let mut hot = Hot::default();
    let mut row = 0;
    for batch in run.read(&[layout::RECORD, layout::TIME, layout::NAME], &Pick::All, BATCH)? {
        let batch = batch?;
        for record in layout::core::<UInt32Array>(&batch, layout::RECORD)?.values() {
            if hot.records.last() != Some(record) {
                hot.starts.push(row);
                hot.records.push(*record);
            }
            row += 1;
        }
        hot.times.extend_from_slice(layout::core::<Int64Array>(&batch, layout::TIME)?.values());
        let column = layout::core::<Texts>(&batch, layout::NAME)?;
        let numbers: Vec<u32> = dictionary(column)?.into_iter().map(|name| names.number(name)).collect();
        hot.names
            .extend(column.keys().values().iter().map(|code| numbers[usize::try_from(*code).unwrap_or(0)]));
    }
    hot.starts.push(row);
    Ok(hot)
}

fn dictionary(column: &Texts) -> Result<Vec<&str>> {
    let values: &arrow::array::StringArray = column
        .values()
        .as_any()
        .downcast_ref()
        .ok_or_else(|| Error::internal("a column of texts holds something else"))?;
    Ok((0..values.len()).map(|at| values.value(at)).collect())
}

/// When events were received.
pub(crate) fn received(run: &Run) -> Result<Received> {
    let mut all = Vec::new();
    for batch in run.read(&[layout::RECEIVED], &Pick::All, BATCH)? {
        all.extend_from_slice(layout::core::<Int64Array>(&batch?, layout::RECEIVED)?.values());
    }
    Ok(Received(all))
}

/// The numbers at a path.
pub(crate) fn numbers(run: &Run, path: &str) -> Result<Numbers> {
    let mut all = Vec::new();
    if !(scalar::is_shredded(path) && run.knows(path)) {
        decode(run, &Pick::All, |event| {
            all.push(match scalar::value_at(event, path) {
                Some(Scalar::Number(number)) => number,
                _ => f64::NAN,
            });
        })?;
        return Ok(Numbers(all));
    }
    let column = layout::column(path, Variant::Number);
    for batch in run.read(&[layout::RECORD, &column], &Pick::All, BATCH)? {
        let batch = batch?;
        match layout::of::<Float64Array>(&batch, &column) {
            Some(values) => all.extend(values.iter().map(|value| value.unwrap_or(f64::NAN))),
            None => all.resize(all.len() + batch.num_rows(), f64::NAN),
        }
    }
    Ok(Numbers(all))
}

/// The keys at a path.
pub(crate) fn keys(run: &Run, path: &str) -> Result<Keys> {
    let mut coder = Coder::default();
    if !(scalar::is_shredded(path) && run.knows(path)) {
        decode(run, &Pick::All, |event| {
            let key = scalar::value_at(event, path).map(|value| value.key()).unwrap_or_default();
            let code = coder.code(&key);
            coder.codes.push(code);
        })?;
        return Ok(coder.finish());
    }
    let columns = Variant::ALL.map(|variant| layout::column(path, variant));
    let [numbers, texts, truths] = &columns;
    for batch in run.read(&[layout::RECORD, numbers, texts, truths], &Pick::All, BATCH)? {
        let batch = batch?;
        let start = coder.codes.len();
        coder.codes.resize(start + batch.num_rows(), 0);
        if let Some(column) = layout::of::<Texts>(&batch, texts) {
            coder.texts(column, start)?;
        }
        if let Some(column) = layout::of::<Float64Array>(&batch, numbers) {
            coder.fill(start, column.iter().map(|n| n.map(|n| (n.to_bits(), Scalar::Number(n)))));
        }
        if let Some(column) = layout::of::<BooleanArray>(&batch, truths) {
            coder.fill(start, column.iter().map(|b| b.map(|b| (u64::from(b), Scalar::Bool(b)))));
        }
    }
    Ok(coder.finish())
}

/// Which of the rows that `wanted` names satisfy `test`. Only those are decoded.
pub(crate) fn matches(
    run: &Run,
    rows: usize,
    wanted: impl Fn(usize) -> bool,
    test: &dyn Fn(&Event) -> bool,
) -> Result<Bits> {
    let picked: Vec<usize> = (0..rows).filter(|row| wanted(*row)).collect();
    let ranges =
        picked.chunk_by(|a, b| a + 1 == *b).map(|chunk| chunk[0]..chunk[chunk.len() - 1] + 1).collect();
    let mut bits = Bits::none(rows);
    if picked.is_empty() {
        return Ok(bits);
    }
    let mut at = picked.iter();
    decode(run, &Pick::Ranges(ranges), |event| {
        if let Some(row) = at.next()
            && test(event)
        {
            bits.insert(*row);
        }
    })?;
    Ok(bits)
}

fn decode(run: &Run, pick: &Pick, mut each: impl FnMut(&Event)) -> Result<()> {
    for batch in run.read(&[layout::EVENT], pick, 1 << 10)? {
        let batch = batch?;
        for bytes in layout::core::<BinaryArray>(&batch, layout::EVENT)?.iter().flatten() {
            each(&Event::decode(bytes).map_err(damaged)?);
        }
    }
    Ok(())
}

/// Gives keys numbers.
struct Coder {
    codes: Vec<u32>,
    keys: Vec<Arc<str>>,
    known: HashMap<Arc<str>, u32>,
}

impl Default for Coder {
    fn default() -> Self {
        let empty: Arc<str> = "".into();
        Self { codes: Vec::new(), keys: vec![empty.clone()], known: [(empty, 0)].into() }
    }
}

impl Coder {
    fn code(&mut self, key: &str) -> u32 {
        if let Some(code) = self.known.get(key) {
            return *code;
        }
        let (code, key) = (u32::try_from(self.keys.len()).unwrap_or(u32::MAX), Arc::<str>::from(key));
        self.keys.push(key.clone());
        self.known.insert(key, code);
        code
    }

    fn texts(&mut self, column: &Texts, start: usize) -> Result<()> {
        let texts = dictionary(column)?;
        let mut found = vec![None; texts.len()];
        for (row, code) in column.keys().iter().enumerate() {
            if let Some(at) = code.and_then(|code| usize::try_from(code).ok()) {
                let code = *found[at].get_or_insert_with(|| self.code(texts[at]));
                self.codes[start + row] = code;
            }
        }
        Ok(())
    }

    fn fill(&mut self, start: usize, values: impl Iterator<Item = Option<(u64, Scalar)>>) {
        let mut found: HashMap<u64, u32> = HashMap::new();
        for (row, value) in values.enumerate() {
            if let Some((bits, scalar)) = value {
                self.codes[start + row] = *found.entry(bits).or_insert_with(|| self.code(&scalar.key()));
            }
        }
    }

    fn finish(self) -> Keys {
        Keys { codes: self.codes, keys: self.keys }
    }
}
