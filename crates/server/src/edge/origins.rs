//! Which web pages may call by gRPC-Web.
//!
//! A browser names the page's origin and, before the first call, asks whether it may. Without configured origins no
//! page may; a dispatch system names no origin and is not asked here.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tower::{Layer, Service};

/// What a page may send besides what every page may.
const SENT: &str = "authorization, content-type, grpc-timeout, x-grpc-web, x-user-agent";
/// What a page may read of an answer.
const READ: &str = "grpc-status, grpc-message, grpc-status-details-bin";
/// How long a browser may keep the answer to its question, in seconds.
const KEPT_S: u16 = 600;

/// Puts [`OriginsService`] before everything else.
#[derive(Clone, Debug)]
pub struct OriginsLayer(Arc<[String]>);

impl OriginsLayer {
    /// With the origins of the configuration, as `scheme://host:port`.
    #[must_use]
    pub fn new(origins: &[String]) -> Self {
        Self(origins.into())
    }
}

impl<S> Layer<S> for OriginsLayer {
    type Service = OriginsService<S>;

    fn layer(&self, inner: S) -> OriginsService<S> {
        OriginsService { origins: self.0.clone(), inner }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct OriginsService<S> {
    origins: Arc<[String]>,
    inner: S,
}

impl<S> Service<Request<Body>> for OriginsService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut named = request.headers().get_all(ORIGIN).iter();
        let (Some(origin), None) = (named.next().cloned(), named.next()) else {
            // None is a program of the dispatch system; two are nobody's.
            let doubled = request.headers().contains_key(ORIGIN);
            return if doubled { answer(StatusCode::FORBIDDEN) } else { Box::pin(self.inner.call(request)) };
        };
        if !self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()) {
            return answer(StatusCode::FORBIDDEN);
        }
        let asks = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let answer = if asks { answer(StatusCode::NO_CONTENT) } else { Box::pin(self.inner.call(request)) };
        Box::pin(async move {
            let mut answer = answer.await?;
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(VARY, HeaderValue::from_static("origin"));
            if asks {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(SENT));
                headers.insert(ACCESS_CONTROL_MAX_AGE, KEPT_S.into());
            } else {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
            }
            Ok(answer)
        })
    }
}

/// An answer of ours, before the call reached anything.
fn answer<E: Send + 'static>(status: StatusCode) -> Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    Box::pin(std::future::ready(Ok(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tower::ServiceExt;

    const DESK: &str = "https://desk.example";

    async fn ask(known: &[&str], method: Method, origins: &[&str]) -> Response<Body> {
        let inner = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::builder().header("reached", "yes").body(Body::empty()).unwrap())
        });
        let known: Vec<_> = known.iter().map(|origin| (*origin).to_owned()).collect();
        let mut request = Request::builder().method(method).uri("/handoff.v1.IncidentService/Note");
        for origin in origins {
            request = request.header(ORIGIN, *origin);
        }
        let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST").body(Body::empty()).unwrap();
        OriginsLayer::new(&known).layer(inner).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_page_that_is_not_named_gets_nowhere() {
        for known in [&[][..], &[DESK]] {
            for origins in [
                &["https://evil.example"][..],
                &["null"],
                &["https://desk.example:8443"],
                &["http://desk.example"],
                &["https://desk.example.evil.example"],
                &[DESK, DESK],
            ] {
                for method in [Method::OPTIONS, Method::POST] {
                    let answer = ask(known, method, origins).await;
                    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origins:?}");
                    assert!(answer.headers().is_empty(), "nothing is said to it: {origins:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_named_page_may_ask_and_call_and_a_program_is_not_asked() {
        let asked = ask(&["https://other.example", DESK], Method::OPTIONS, &[DESK]).await;
        assert_eq!(asked.status(), StatusCode::NO_CONTENT);
        assert_eq!(asked.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], DESK);
        assert!(!asked.headers().contains_key("reached"), "the question reaches no method");
        let called = ask(&[DESK], Method::POST, &[DESK]).await;
        assert!(called.headers().contains_key("reached") && called.headers()[VARY] == "origin");
        assert_eq!(called.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], DESK);
        assert_eq!(called.headers()[ACCESS_CONTROL_EXPOSE_HEADERS], READ);
        let program = ask(&[], Method::POST, &[]).await;
        assert!(program.headers().contains_key("reached"));
        assert!(!program.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
