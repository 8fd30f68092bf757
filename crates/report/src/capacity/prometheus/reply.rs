//! Pure: what a Prometheus server answers.

use crowd_core::json_fault;
use serde::Deserialize;
use serde_json::Value;

/// Why an answer holds no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// It is not what a Prometheus server answers.
    #[error("the answer cannot be read: {0}")]
    NoJson(String),
    /// The query failed.
    #[error("{0}")]
    Refused(String),
    /// The query is of another type.
    #[error("expected a vector, got a {0}")]
    WrongType(String),
    /// Nothing fits the query.
    #[error("vector has length = 0")]
    Empty,
    /// The value is no finite number.
    #[error("the value is `{0}`")]
    NoNumber(String),
}

#[derive(Deserialize)]
struct Reply {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Deserialize)]
struct Element {
    value: (f64, String),
}

/// The value of the first element of the vector that an instant query answers.
///
/// # Errors
/// If there is none.
pub fn value(body: &str) -> Result<f64, ReplyFault> {
    let unread = |fault: serde_json::Error| ReplyFault::NoJson(json_fault::in_words(&fault));
    let reply: Reply = serde_json::from_str(body).map_err(unread)?;
    if reply.status != "success" {
        return Err(ReplyFault::Refused(reply.error));
    }
    let Some(Data { kind, result }) = reply.data else {
        return Err(ReplyFault::NoJson("there is no data".to_owned()));
    };
    if kind != "vector" {
        return Err(ReplyFault::WrongType(kind));
    }
    let elements: Vec<Element> = serde_json::from_value(result).map_err(unread)?;
    let (_, text) = elements.into_iter().next().ok_or(ReplyFault::Empty)?.value;
    match text.parse::<f64>() {
        Ok(number) if !number.is_nan() => Ok(number),
        _ => Err(ReplyFault::NoNumber(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(data: &str) -> Result<f64, String> {
        let body = format!(r#"{{"status": "success", "data": {data}}}"#);
        value(&body).map_err(|fault| fault.to_string())
    }

    #[test]
    fn the_first_of_a_vector_is_the_value() {
        let vector = r#"{"resultType": "vector", "result": [
            {"metric": {"job": "app"}, "value": [1700000000.123, "12.12345"]},
            {"metric": {}, "value": [1700000000.123, "7"]}]}"#;
        assert_eq!(told(vector), Ok(12.12345));
        let infinite =
            r#"{"resultType": "vector", "result": [{"metric": {}, "value": [1, "+Inf"]}]}"#;
        assert_eq!(told(infinite), Ok(f64::INFINITY));
    }

    #[test]
    fn another_type_is_named() {
        let string = r#"{"resultType": "string", "result": [1700000000, "hello"]}"#;
        assert_eq!(told(string), Err("expected a vector, got a string".to_owned()));
        let scalar = r#"{"resultType": "scalar", "result": [1700000000, "1"]}"#;
        assert_eq!(told(scalar), Err("expected a vector, got a scalar".to_owned()));
        let matrix = r#"{"resultType": "matrix", "result": []}"#;
        assert_eq!(told(matrix), Err("expected a vector, got a matrix".to_owned()));
    }

    #[test]
    fn an_empty_vector_has_no_value() {
        let empty = r#"{"resultType": "vector", "result": []}"#;
        assert_eq!(told(empty), Err("vector has length = 0".to_owned()));
    }

    #[test]
    fn what_is_no_number_is_no_value() {
        let nan = r#"{"resultType": "vector", "result": [{"metric": {}, "value": [1, "NaN"]}]}"#;
        assert_eq!(told(nan), Err("the value is `NaN`".to_owned()));
    }

    #[test]
    fn a_refusal_is_passed_on() {
        let body = r#"{"status": "error", "errorType": "bad_data", "error": "parse error"}"#;
        assert_eq!(value(body), Err(ReplyFault::Refused("parse error".to_owned())));
        assert!(matches!(value("<html>"), Err(ReplyFault::NoJson(_))));
        assert!(matches!(value(r#"{"status": "success"}"#), Err(ReplyFault::NoJson(_))));
    }
}
