//! What a body says that it is. A browser sends JSON for a page only after it asked whether the
//! page may; forms and plain text it sends at once. So a page's body is JSON by its type, and
//! nobody's may be what a form can make of JSON.

use axum::{
    extract::Request,
    http::{Method, header},
};

use crate::core::{GatewayError, Kind};

/// Lets a body through that says it is JSON; where no browser is involved also one that says
/// nothing, or what `curl -d` says of every body.
///
/// # Errors
/// [`Kind::MediaType`].
pub(super) fn check(request: &Request) -> Result<(), GatewayError> {
    if request.method() != Method::POST {
        return Ok(());
    }
    let headers = request.headers();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let given = header(header::CONTENT_TYPE.as_str())
        .map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    // Browsers say where a request comes from in one of these, whatever the page wants.
    let is_page = headers.contains_key(header::ORIGIN)
        || header("sec-fetch-site").is_some_and(|site| site != "none");
    match given.as_deref() {
        Some("application/json") => Ok(()),
        // A form can say this too, and what it makes of JSON is none: it escapes the brackets.
        None | Some("application/x-www-form-urlencoded") if !is_page => Ok(()),
        _ => {
            let message = "the body must be JSON: send `Content-Type: application/json`";
            Err(GatewayError::new(Kind::MediaType, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn ask(headers: &[(&str, &str)]) -> Result<(), GatewayError> {
        let request = Request::builder().method("POST").uri("/api/generate");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        check(&request.body(Body::empty()).expect("a request"))
    }

    #[test]
    fn a_page_says_that_it_sends_json_and_curl_need_not() {
        let json = ("content-type", "application/json; charset=utf-8");
        let form = ("content-type", "application/x-www-form-urlencoded");
        let text = ("content-type", "text/plain;charset=UTF-8");
        let page = ("origin", "http://localhost:3000");
        let old_page = ("sec-fetch-site", "cross-site");
        for fine in [&[][..], &[json], &[form], &[json, page], &[json, old_page]] {
            assert!(ask(fine).is_ok(), "{fine:?}");
        }
        for wrong in [
            &[page][..],
            &[form, page],
            &[text, page],
            &[form, old_page],
            &[text],
            &[("content-type", "multipart/form-data; boundary=x")],
            &[("content-type", "application/jsonp")],
        ] {
            assert_eq!(ask(wrong).expect_err("refused").kind, Kind::MediaType, "{wrong:?}");
        }
        let get = Request::builder().uri("/").header(text.0, text.1);
        assert!(check(&get.body(Body::empty()).expect("a request")).is_ok());
    }
}
