//! The gate `metrics`: a comparison of PromQL holds, by enough samples.

use std::time::Duration;

use flatnet_platform_engine::measure::{Answers, Measure, judge};
use flatnet_platform_types::kinds::{Metrics, Verdict};
use serde_json::Value;

use super::subjects::Tools;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(15);
/// The longest answer, in bytes.
const LONGEST: usize = 4 << 20;

/// Asks for the comparison, for what is compared, and for how many samples there are.
pub(super) async fn ask(
    gate: &Metrics,
    measure: Result<Measure, String>,
    tools: &Tools,
) -> (Verdict, String) {
    let measure = match measure {
        Ok(measure) => measure,
        Err(why) => return (Verdict::Unknown, format!("{:?}: {why}", gate.query)),
    };
    let Some(server) = &tools.metrics else {
        let why = "the controller knows no server of metrics: give it --metrics-url";
        return (Verdict::Unknown, why.to_owned());
    };
    match answers(&measure, server, tools).await {
        Ok(answers) => judge(gate, &measure, &answers),
        Err(why) => (Verdict::Unknown, why),
    }
}

async fn answers(measure: &Measure, server: &str, tools: &Tools) -> Result<Answers, String> {
    let mut samples: f64 = 0.0;
    for query in &measure.samples {
        let values = query_of(query, server, tools).await?;
        samples = samples.max(values.iter().sum());
    }
    Ok(Answers {
        samples,
        measured: query_of(&measure.measured, server, tools).await?,
        holding: query_of(&measure.query, server, tools).await?.len(),
    })
}

/// The values of an instant query, by Prometheus' HTTP API.
async fn query_of(query: &str, server: &str, tools: &Tools) -> Result<Vec<f64>, String> {
    let encoded = form_urlencoded::byte_serialize(query.as_bytes());
    let url = format!(
        "{server}/api/v1/query?query={}",
        encoded.collect::<String>()
    );
    let answer = tools.getter.get(&url, ANSWER, LONGEST).await;
    let answer = answer.map_err(|error| format!("{server}: {error}"))?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if body["status"] != "success" {
        let why = body["error"].as_str().unwrap_or("it is no Prometheus");
        return Err(format!("{server} answers {}: {why}", answer.status));
    }
    values(&body["data"]).ok_or_else(|| format!("{server} answers what is no vector"))
}

fn values(data: &Value) -> Option<Vec<f64>> {
    let value = |pair: &Value| pair[1].as_str()?.parse::<f64>().ok();
    match data["resultType"].as_str()? {
        "vector" => {
            let series = data["result"].as_array()?.iter();
            series.map(|s| value(&s["value"])).collect()
        }
        "scalar" => value(&data["result"]).map(|v| vec![v]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_texts_and_may_be_no_numbers() {
        let vector = json!({"resultType": "vector", "result": [
            {"metric": {}, "value": [1.5, "0.25"]}, {"metric": {"a": "b"}, "value": [1.5, "NaN"]}]});
        let read = values(&vector).expect("a vector");
        assert!((read[0] - 0.25).abs() < f64::EPSILON && read[1].is_nan());
        let scalar = json!({"resultType": "scalar", "result": [1, "+Inf"]});
        assert_eq!(values(&scalar), Some(vec![f64::INFINITY]));
        assert_eq!(values(&json!({"resultType": "matrix", "result": []})), None);
    }
}
