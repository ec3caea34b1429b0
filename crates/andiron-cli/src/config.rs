//! The file that `andiron train` reads.
//!
//! Paths in it are relative to the folder that it lies in. A key that is no setting is refused by
//! name, so that a misspelt one does not silently leave its default.

use crate::{data::Source, error::CliError, model::local};
use andiron::{ConfigError, TrainingConfig, overlay};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

/// Passes over the training data where the configuration says neither `epochs` nor `max_steps`.
const EPOCHS: usize = 20;
/// The least steps in that case: a small data set has few steps in a pass.
const LEAST_STEPS: usize = 200;
/// The option of a recipe that says where the model begins.
const BASE: &str = "base";

/// A training configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// The task's name.
    pub(crate) task: String,
    /// The architecture's name.
    pub(crate) model: String,
    /// Where the bundle goes.
    output: PathBuf,
    /// Where the log and the checkpoint go; `runs/` and the configuration's name by default.
    run: Option<PathBuf>,
    /// The model to begin with, where the architecture does not begin from nothing: a folder, or a
    /// name on the hub.
    #[serde(rename = "base")]
    pretrained: Option<String>,
    /// The examples.
    pub(crate) data: DataConfig,
    /// Settings of the model, over its defaults.
    #[serde(default)]
    options: Map<String, Value>,
    /// Settings of the training, over [`TrainingConfig`]'s defaults.
    #[serde(default)]
    training: Map<String, Value>,
    /// What the card should say.
    #[serde(default)]
    pub(crate) card: CardConfig,
    /// The file itself.
    #[serde(skip)]
    path: PathBuf,
}

/// Where the examples come from and how they are split.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataConfig {
    /// The examples for training, and for the other parts where those are shares.
    pub(crate) train: Source,
    /// The examples for the final measurement: a share of `train`, or a source of their own.
    #[serde(default = "fifth")]
    pub(crate) test: Held,
    /// The examples that choose the best step: a share of `train`, or a source of their own.
    #[serde(default = "tenth")]
    pub(crate) valid: Held,
    /// How `train` is split.
    #[serde(default)]
    pub(crate) split: Split,
    /// What makes a group, where the split is by group: a column, `file-stem` or
    /// `normalised-text`.
    pub(crate) group: Option<String>,
    /// Decides the split.
    #[serde(default)]
    pub(crate) seed: u64,
    /// From the names that the task wants to those that the table has.
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, String>,
}

/// How examples are divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Split {
    /// At random.
    Random,
    /// Each label with the same share in every part.
    #[default]
    Stratified,
    /// All examples of a group in one part; the labels as even as that allows.
    Group,
}

/// A part of the data that is not for training.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    /// This share of the training data, 0 to 1.
    Share(f64),
    /// Examples of its own.
    Source(Source),
}

fn fifth() -> Held {
    Held::Share(0.2)
}
fn tenth() -> Held {
    Held::Share(0.1)
}

/// What the card should say that the program cannot know.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CardConfig {
    /// What the model is for.
    pub(crate) description: String,
    /// The licence of the weights.
    pub(crate) licence: String,
    /// What it should not be used for.
    pub(crate) limits: String,
    /// About the data.
    pub(crate) data: CardData,
}

/// What the card should say about the data.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CardData {
    /// Its name; that of the training file or folder by default.
    pub(crate) name: String,
    /// Its licence.
    pub(crate) licence: String,
    /// Who made it.
    pub(crate) authors: String,
}

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Held;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share from 0 to 1, a path, or { images, labels }")
            }
            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Held, E> {
                Ok(Held::Share(share))
            }
            fn visit_i64<E: de::Error>(self, share: i64) -> Result<Held, E> {
                Ok(Held::Share(share as f64))
            }
            fn visit_u64<E: de::Error>(self, share: u64) -> Result<Held, E> {
                Ok(Held::Share(share as f64))
            }
            fn visit_str<E: de::Error>(self, path: &str) -> Result<Held, E> {
                Ok(Held::Source(Source::Path(path.into())))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Held, A::Error> {
                Source::deserialize(de::value::MapAccessDeserializer::new(map)).map(Held::Source)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl RunConfig {
    /// Reads the file at `path` and puts each `KEY=VALUE` of `replaced` over it.
    pub(crate) fn read(path: &Path, replaced: &[String]) -> Result<Self, CliError> {
        let text = fs::read_to_string(path)
            .map_err(|source| CliError::Read { path: path.into(), source })?;
        let refuse = |source| CliError::Config { path: path.into(), source };
        let mut config: Self = if replaced.is_empty() {
            // Straight from the text, so that an error has its line.
            toml::from_str(&text).map_err(refuse)?
        } else {
            let mut table: toml::Table = toml::from_str(&text).map_err(refuse)?;
            for argument in replaced {
                set(&mut table, argument)?;
            }
            table.try_into().map_err(refuse)?
        };
        config.path = path.to_owned();
        Ok(config)
    }

    /// The folder that its paths are relative to.
    pub(crate) fn base(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Where the bundle goes.
    pub(crate) fn output(&self) -> PathBuf {
        self.base().join(&self.output)
    }

    /// Where the log and the checkpoint go.
    pub(crate) fn run_folder(&self) -> PathBuf {
        match &self.run {
            Some(run) => self.base().join(run),
            None => self.base().join("runs").join(self.path.file_stem().unwrap_or_default()),
        }
    }

    /// The settings of the model; where it begins is the path in `base`.
    pub(crate) fn options(&self) -> Result<Value, CliError> {
        let mut options = self.options.clone();
        if let Some(name) = &self.pretrained {
            let argument = || BASE.to_owned();
            if options.contains_key(BASE) {
                let reason = "it stands at the top and among the options; say it once";
                return Err(CliError::Argument { argument: argument(), reason });
            }
            let path = self.base().join(local(name)?);
            let path = fs::canonicalize(&path).map_err(|source| CliError::Read { path, source })?;
            let path = path.into_os_string().into_string().map_err(|_| CliError::Argument {
                argument: argument(),
                reason: "its path is not UTF-8",
            })?;
            options.insert(argument(), path.into());
        }
        Ok(Value::Object(options))
    }

    /// How many threads make batches beside the training: no setting of the training itself, whose
    /// outcome does not depend on it.
    pub(crate) fn loaders(&self) -> Result<usize, CliError> {
        let Some(loaders) = self.training.get("loaders") else { return Ok(1) };
        let number = loaders.as_u64().filter(|number| (1..=64).contains(number));
        let number = number.ok_or_else(|| ConfigError::Kind {
            field: "loaders".to_owned(),
            got: loaders.to_string(),
            reason: "a whole number from 1 to 64 was wanted".to_owned(),
        })?;
        Ok(number as usize)
    }

    /// The settings of a training on `examples` examples.
    pub(crate) fn training(&self, examples: usize) -> Result<TrainingConfig, CliError> {
        let mut given = self.training.clone();
        let epochs = given.remove("epochs");
        given.remove("loaders");
        let steps = given.contains_key("max_steps");
        if epochs.is_some() && steps {
            return Err(CliError::Argument {
                argument: "training".to_owned(),
                reason: "epochs and max_steps both say how long; give one of them",
            });
        }
        given.entry("seed").or_insert_with(|| self.data.seed.into());
        let mut config =
            overlay(&TrainingConfig::new(1), &Value::Object(given)).map_err(|mut error| {
                if let ConfigError::Unknown { known, .. } = &mut error {
                    known.extend(["epochs", "loaders"].map(str::to_owned));
                }
                error
            })?;
        match epochs {
            Some(epochs) => {
                let epochs = epochs.as_u64().filter(|epochs| *epochs > 0).ok_or_else(|| {
                    let reason = "a whole number above 0 was wanted".to_owned();
                    ConfigError::Kind {
                        field: "epochs".to_owned(),
                        got: epochs.to_string(),
                        reason,
                    }
                })?;
                // More than usize holds are as endless as usize::MAX.
                let epochs = usize::try_from(epochs).unwrap_or(usize::MAX);
                let pass = config.steps_for(1, examples);
                config.max_steps = epochs.saturating_mul(pass).max(1);
            }
            None if !steps => {
                config.max_steps = config.steps_for(EPOCHS, examples).max(LEAST_STEPS);
            }
            None => {}
        }
        config.check()?;
        Ok(config)
    }
}

/// Puts `key.key=value` into a table; what is no TOML value counts as text.
fn set(table: &mut toml::Table, argument: &str) -> Result<(), CliError> {
    let refuse = |reason| CliError::Argument { argument: format!("--set {argument}"), reason };
    let (key, text) = argument.split_once('=').ok_or_else(|| refuse("KEY=VALUE was wanted"))?;
    let (path, last) = match key.trim().rsplit_once('.') {
        Some((path, last)) => (path.split('.').collect(), last),
        None => (Vec::new(), key.trim()),
    };
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    let value = parsed
        .filter(|parsed| parsed.len() == 1)
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| text.into());
    let mut inner = table;
    for part in path {
        inner = inner
            .entry(part)
            .or_insert_with(|| toml::Table::new().into())
            .as_table_mut()
            .ok_or_else(|| refuse("a part of the key is no table"))?;
    }
    inner.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const SMALL: &str = "task = \"t\"\nmodel = \"m\"\noutput = \"o\"\n[data]\ntrain = \"x.csv\"\n";

    fn read(text: &str, replaced: &[&str]) -> Result<RunConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        fs::write(&path, text).unwrap();
        let replaced: Vec<String> = replaced.iter().map(|text| (*text).to_owned()).collect();
        RunConfig::read(&path, &replaced).map_err(|error| crate::error::chain(&error))
    }

    #[test]
    fn a_short_file_has_defaults_for_the_rest() {
        let config = read(SMALL, &[]).unwrap();
        assert!(config.run_folder().ends_with("runs/mine"));
        assert!(config.output().ends_with("o") && config.output().parent() == Some(config.base()));
        assert_eq!(config.data.split, Split::Stratified);
        assert!(matches!(config.data.test, Held::Share(0.2)));
        assert!(matches!(config.data.valid, Held::Share(0.1)));
        // Twenty passes of ceil(1000 / 32) steps; a small set has at least 200.
        assert_eq!(config.training(1000).unwrap().max_steps, 640);
        assert_eq!(config.training(5).unwrap().max_steps, 200);
    }

    #[test]
    fn where_a_model_begins_is_relative_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("encoder")).unwrap();
        let path = dir.path().join("mine.toml");
        let read = |more: &str| {
            fs::write(&path, format!("{more}\n{SMALL}")).unwrap();
            let config = RunConfig::read(&path, &[]).unwrap();
            config.options().map_err(|error| crate::error::chain(&error))
        };
        let wanted = fs::canonicalize(dir.path().join("encoder")).unwrap();
        assert_eq!(read("base = \"encoder\"").unwrap()["base"], wanted.to_str().unwrap());
        assert_eq!(read("").unwrap(), Value::Object(Map::new()));
        let missing = read("base = \"none\"").unwrap_err();
        assert!(missing.starts_with("cannot read ") && missing.contains("none: "), "{missing}");
        let hub = read("base = \"hf:a\"").unwrap_err();
        assert!(hub.contains("hf:a"), "{hub}");
        fs::write(&path, format!("base = \"encoder\"\n{SMALL}[options]\nbase = \"x\"\n")).unwrap();
        let twice = RunConfig::read(&path, &[]).unwrap().options().unwrap_err().to_string();
        assert_eq!(twice, "base: it stands at the top and among the options; say it once");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        for (text, name) in [
            (SMALL.replace("task", "tusk"), "tusk"),
            (format!("{SMALL}trian = 1\n"), "trian"),
            (format!("{SMALL}[card]\nlicense = \"x\"\n"), "license"),
            (format!("{SMALL}test = {{ images = \"a\", labels = \"b\", lables = 1 }}\n"), "lables"),
        ] {
            let refused = read(&text, &[]).unwrap_err();
            assert!(refused.contains(&format!("unknown field `{name}`")), "{refused}");
        }
        let config = read(&format!("{SMALL}[training]\nlearning_rat = 1\n"), &[]).unwrap();
        let refused = config.training(9).unwrap_err().to_string();
        assert!(
            refused.starts_with("there is no setting \"learning_rat\"; known are"),
            "{refused}"
        );
        assert!(refused.contains("\"epochs\""), "{refused}");
    }

    #[test]
    fn the_command_line_replaces_settings() {
        let config = read(SMALL, &["training.epochs=3", "output=a=b", "data.test=0.5"]).unwrap();
        assert_eq!(config.training(100).unwrap().max_steps, 3 * 4);
        assert!(config.output().ends_with("a=b"));
        assert!(matches!(config.data.test, Held::Share(0.5)));
        assert!(read(SMALL, &["seed"]).unwrap_err().contains("--set seed: KEY=VALUE was wanted"));
        assert!(read(SMALL, &["task.x=1"]).unwrap_err().contains("is no table"));
        assert!(read(SMALL, &["data.sede=1"]).unwrap_err().contains("sede"));
    }

    #[test]
    fn loaders_are_counted() {
        let config = read(SMALL, &["training.loaders=3"]).unwrap();
        assert_eq!(
            (config.loaders().unwrap(), read(SMALL, &[]).unwrap().loaders().unwrap()),
            (3, 1)
        );
        assert!(config.training(9).is_ok());
        for bad in ["0", "65", "-1", "two"] {
            let config = read(SMALL, &[&format!("training.loaders={bad}")]).unwrap();
            let refused = config.loaders().unwrap_err().to_string();
            assert!(refused.contains("from 1 to 64"), "{refused}");
        }
    }

    #[test]
    fn sizes_without_measure_are_no_overflow() {
        let huge = "training.batch_size=9223372036854775807";
        let training = |more: &[&str]| {
            let replaced = [&[huge, "training.accumulate=3"][..], more].concat();
            read(SMALL, &replaced).unwrap().training(31).map(|training| training.max_steps)
        };
        // Every window holds all examples.
        assert_eq!(training(&[]).unwrap(), LEAST_STEPS);
        assert_eq!(training(&["training.epochs=7"]).unwrap(), 7);
        assert_eq!(training(&["training.epochs=9223372036854775807"]).unwrap(), usize::MAX / 2);
        let many = ["training.epochs=9223372036854775807", "training.batch_size=1"];
        let training = read(SMALL, &many).unwrap().training(31).unwrap();
        assert_eq!(training.max_steps, usize::MAX);
        let none = read(SMALL, &["training.batch_size=0"]).unwrap().training(31).unwrap_err();
        assert_eq!(none.to_string(), "batch_size must be at least 1, but is 0");
    }

    #[test]
    fn epochs_and_seeds() {
        let text = format!("{SMALL}seed = 7\n[training]\nepochs = 2\nbatch_size = 10\n");
        let training = read(&text, &[]).unwrap().training(31).unwrap();
        assert_eq!((training.max_steps, training.seed, training.batch_size), (8, 7, 10));
        let both = read(&format!("{text}max_steps = 9\n"), &[]).unwrap().training(31);
        assert!(both.unwrap_err().to_string().contains("give one of them"));
        let none = read(SMALL, &["training.epochs=0"]).unwrap().training(31);
        assert!(none.unwrap_err().to_string().contains("\"epochs\" cannot be 0"));
    }
}
