//! Parameters of commands: every combination of their values, filled in for `{NAME}`.
//!
//! Does not know shells; a value is put in as it is written.

use std::fmt;

/// A parameter with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What stands in braces.
    pub name: String,
    /// Values, in order.
    pub values: Vec<String>,
}

/// Most combinations of all parameters.
const MOST: usize = 64;

/// Why parameters cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Neither command nor preparation holds `{NAME}`.
    #[error("no command uses the parameter: write {{{0}}} where its value belongs")]
    Unused(String),
    /// Too many combinations.
    #[error("the parameters make {0} combinations; {MOST} are allowed")]
    TooMany(usize),
    /// A parameter without values.
    #[error("the parameter \"{0}\" has no values: write them as A,B,C")]
    Empty(String),
    /// Two of the same name.
    #[error("the parameter \"{0}\" is given twice")]
    Twice(String),
    /// A range that is none.
    #[error("the range of \"{name}\" is not one: {problem}")]
    Range {
        /// The parameter.
        name: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// A value for each parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding(pub Vec<(String, String)>);

impl Binding {
    /// A text with the values filled in.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.pad(&shown.join(", "))
    }
}

/// Every combination, the last parameter varying fastest; one without values when there are none.
pub fn bindings(parameters: &[Parameter]) -> Result<Vec<Binding>, ParameterError> {
    let mut found = vec![Binding::default()];
    for (at, parameter) in parameters.iter().enumerate() {
        if parameter.values.is_empty() {
            return Err(ParameterError::Empty(parameter.name.clone()));
        }
        if parameters.iter().take(at).any(|other| other.name == parameter.name) {
            return Err(ParameterError::Twice(parameter.name.clone()));
        }
        let count = found.len().saturating_mul(parameter.values.len());
        if count > MOST {
            return Err(ParameterError::TooMany(count));
        }
        found = found.iter().flat_map(|binding| extended(binding, parameter)).collect();
    }
    Ok(found)
}

fn extended(binding: &Binding, parameter: &Parameter) -> Vec<Binding> {
    let with = |value: &String| {
        let mut longer = binding.clone();
        longer.0.push((parameter.name.clone(), value.clone()));
        longer
    };
    parameter.values.iter().map(with).collect()
}

/// Tells a parameter that no text uses.
pub fn check_used(parameters: &[Parameter], texts: &[String]) -> Result<(), ParameterError> {
    let is_used = |parameter: &&Parameter| {
        let placeholder = format!("{{{}}}", parameter.name);
        texts.iter().any(|text| text.contains(&placeholder))
    };
    match parameters.iter().find(|parameter| !is_used(parameter)) {
        Some(unused) => Err(ParameterError::Unused(unused.name.clone())),
        None => Ok(()),
    }
}

/// The whole numbers from `low` to `high` in steps.
pub fn scan(name: &str, low: i64, high: i64, step: i64) -> Result<Parameter, ParameterError> {
    let wrong = |problem: &str| ParameterError::Range {
        name: name.to_owned(),
        problem: problem.to_owned(),
    };
    if step <= 0 {
        return Err(wrong("the step must be above zero"));
    }
    if low > high {
        return Err(wrong("the first value lies above the last"));
    }
    let mut values = Vec::new();
    let mut at = low;
    while at <= high {
        if values.len() == MOST {
            return Err(ParameterError::TooMany(values.len() + 1));
        }
        values.push(at.to_string());
        at = at.saturating_add(step);
        if at == i64::MAX {
            break;
        }
    }
    Ok(Parameter { name: name.to_owned(), values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameter(name: &str, values: &[&str]) -> Parameter {
        Parameter {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    #[test]
    fn every_combination_is_made() {
        let parameters = [parameter("level", &["1", "9"]), parameter("file", &["a", "b"])];
        let found = bindings(&parameters).unwrap();
        let filled: Vec<_> = found.iter().map(|b| b.fill("gzip -{level} {file}")).collect();
        assert_eq!(filled, ["gzip -1 a", "gzip -1 b", "gzip -9 a", "gzip -9 b"]);
        assert_eq!(found[0].to_string(), "level=1, file=a");
        assert_eq!(bindings(&[]).unwrap(), [Binding::default()]);
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let level = [parameter("level", &["1"])];
        assert!(check_used(&level, &["gzip {level}".to_owned()]).is_ok());
        let unused = check_used(&level, &["gzip".to_owned()]).unwrap_err();
        assert!(unused.to_string().contains("{level}"), "{unused}");
        assert_eq!(bindings(&[parameter("x", &[])]), Err(ParameterError::Empty("x".into())));
        let twice = [parameter("x", &["1"]), parameter("x", &["2"])];
        assert_eq!(bindings(&twice), Err(ParameterError::Twice("x".into())));
        assert!(matches!(scan("x", 1, 1000, 1), Err(ParameterError::TooMany(_))));
        assert!(matches!(scan("x", 2, 1, 1), Err(ParameterError::Range { .. })));
        assert_eq!(scan("x", 1, 7, 3).unwrap().values, ["1", "4", "7"]);
    }

    proptest! {
        #[test]
        fn any_range_is_understood_or_refused(low in any::<i64>(), high in any::<i64>(), step in any::<i64>()) {
            if let Ok(found) = scan("x", low, high, step) {
                prop_assert!(!found.values.is_empty() && found.values.len() <= MOST);
            }
        }
    }
}
