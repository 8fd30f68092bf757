//! What is asked and answered.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use hyper::service::Service;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_command_is_answered_for_people_and_for_programs() {
    let served = Served::new().await;
    served.command("do idle 2").await;
    let heard = served.command("add 10").await;
    assert_eq!(heard.status, 200);
    assert_eq!(
        heard.body,
        json!({
            "ok": true,
            "text": "added users 3 to 12 (10 users)",
            "reply": {"reply": "added", "data": {"first": 3, "last": 12}},
        })
    );
    assert!(heard.head.contains("content-type: application/json"), "{}", heard.head);
    let refused = served.command("do idle 2").await;
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.body,
        json!({"ok": false, "code": "invalid-status", "message": "there is a run already"})
    );
}

#[tokio::test]
async fn json_is_taken_as_well_as_text() {
    let served = Served::new().await;
    let headers = &["Host: localhost", "Content-Type: application/json"];
    let ask = |body| served.ask("POST /api/v1/command", headers, body);
    assert_eq!(ask("{\"command\": \"do idle 2\"}").await.status, 200);
    assert_eq!(served.node.with(|inside| inside.log.clone()), ["do idle 2"]);
    let fault = ask("{\"command\": do idle 2}").await;
    assert_eq!(fault.code(), (400, "bad-request"));
    assert!(fault.body["message"].as_str().unwrap().contains("line 1 column 13"), "{fault:?}");
}

#[tokio::test]
async fn refusals_tell_by_their_status() {
    let served = Served::new().await;
    for (line, wanted) in [
        ("launch", (400, "unknown-command")),
        ("add", (400, "bad-usage")),
        ("add 0", (400, "invalid-range")),
        ("quit", (400, "bad-usage")),
        ("do idel 5", (404, "no-such-scenario")),
        ("throttle info none", (404, "no-throttle")),
        ("drain other", (404, "bad-nodes")),
        ("add 5", (409, "invalid-status")),
        ("join a:1", (503, "unavailable")),
    ] {
        assert_eq!(served.command(line).await.code(), wanted, "{line}");
    }
    assert!(
        served.node.with(|inside| inside.log.is_empty()),
        "a refused command changed something"
    );
}

#[tokio::test]
async fn status_is_the_command_of_that_name() {
    let served = Served::new().await;
    served.command("do idle 2").await;
    let status = served.ask("GET /api/v1/status", &["Host: localhost"], "").await;
    assert_eq!(status.status, 200);
    assert_eq!(status.body["reply"]["data"]["users"]["running"], 2);
    assert_eq!(status.body, served.command("status").await.body);
}

#[tokio::test]
async fn life_and_readiness() {
    let ready: Readiness = Arc::new(|| Err("it has not joined".to_owned()));
    let token = Some(Secret::new("sesame"));
    let served = Served::with(ApiOptions { token, ready, ..ApiOptions::default() }).await;
    let live = served.ask("GET /api/v1/live", &["Host: pod"], "").await;
    assert_eq!((live.status, &live.body["ok"]), (200, &json!(true)));
    let ready = served.ask("GET /api/v1/ready", &["Host: pod"], "").await;
    assert_eq!(ready.code(), (503, "not-ready"));
    assert_eq!(ready.body["message"], "it has not joined");
    let served = Served::new().await;
    assert_eq!(served.ask("GET /api/v1/ready", &["Host: localhost"], "").await.status, 200);
}

#[tokio::test]
async fn strange_paths_and_methods_are_told_what_there_is() {
    let served = Served::new().await;
    let unknown = served.ask("GET /api/v2/status", &["Host: localhost"], "").await;
    assert_eq!(unknown.code(), (404, "no-such-path"));
    assert_eq!(unknown.body["paths"].as_array().unwrap().len(), 4);
    assert!(unknown.body["message"].as_str().unwrap().contains("`/api/v2/status`"));
    let wrong = served.ask("GET /api/v1/command", &["Host: localhost"], "").await;
    assert_eq!(wrong.code(), (405, "wrong-method"));
    assert!(wrong.head.contains("allow: post"), "{}", wrong.head);
}

#[tokio::test]
async fn the_token_is_wanted_everywhere_but_for_life_and_readiness() {
    let token = Some(Secret::new("sesame"));
    let served = Served::with(ApiOptions { token, ..ApiOptions::default() }).await;
    for (head, body) in [
        ("GET /api/v1/status", ""),
        ("POST /api/v1/command", "do idle 2"),
        ("GET /nowhere", ""),
        ("GET /api/v1/live/", ""),
    ] {
        let stranger = served.ask(head, &["Host: a.b", TEXT], body).await;
        assert_eq!(stranger.code(), (401, "unauthorized"), "{head}");
        assert!(stranger.head.contains("www-authenticate: bearer"), "{}", stranger.head);
        let wrong = ["Host: a.b", TEXT, "Authorization: Bearer sesam"];
        let wrong = served.ask(head, &wrong, body).await;
        assert_eq!(wrong.code(), (401, "unauthorized"), "{head}");
        assert!(!wrong.body.to_string().contains("sesame"), "{}", wrong.body);
    }
    assert!(served.node.with(|inside| inside.log.is_empty()));
    let right = ["Host: a.b", TEXT, "Authorization: Bearer sesame"];
    assert_eq!(served.ask("POST /api/v1/command", &right, "do idle 2").await.status, 200);
}

#[tokio::test]
async fn pages_from_elsewhere_are_kept_out_without_a_token() {
    let served = Served::new().await;
    for headers in [
        &["Host: example.org", TEXT][..],
        &["Host: localhost", "Origin: http://example.org", TEXT],
        &["Host: localhost:4000", "Origin: http://localhost:8080", TEXT],
        &["Host: localhost", "Origin: null", TEXT],
        &[TEXT],
    ] {
        let heard = served.ask("POST /api/v1/command", headers, "do idle 2").await;
        assert_eq!(heard.status, 403, "{headers:?}");
    }
    assert!(served.node.with(|inside| inside.log.is_empty()));
    let own = ["Host: localhost:4000", "Origin: http://localhost:4000", TEXT];
    assert_eq!(served.ask("POST /api/v1/command", &own, "do idle 2").await.status, 200);
}

#[tokio::test]
async fn it_is_a_service_of_its_own_too() {
    let api = Api::new(Fake::new(), ApiOptions::default(), CancellationToken::new());
    let service = TowerToHyperService::new(router::router(api));
    let request = Request::get("/api/v1/live").header("host", "[::1]:4000");
    let response = service.call(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "{\"ok\":true,\"text\":\"crowd is up\"}\n");
}
