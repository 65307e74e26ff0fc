//! The operations of an API, as a table.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi, RefOr, Required, ResponseBuilder, ResponsesBuilder,
};

/// What a body is.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// No body, as with status 204.
    None,
    /// JSON of a schema, by its name.
    Json(&'static str),
    /// A JSON array of a schema.
    List(&'static str),
    /// Text for people, or of a format of its own.
    Text,
}

/// One operation.
pub(crate) struct Operation {
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    /// Names and descriptions; those that are in the path are found there.
    pub(crate) query: &'static [(&'static str, &'static str)],
    pub(crate) request: Body,
    pub(crate) reply: Body,
}

impl Operation {
    pub(crate) const fn get(path: &'static str, reply: Body, summary: &'static str) -> Self {
        Self {
            method: HttpMethod::Get,
            path,
            summary,
            query: &[],
            request: Body::None,
            reply,
        }
    }

    pub(crate) const fn post(
        path: &'static str,
        request: Body,
        reply: Body,
        summary: &'static str,
    ) -> Self {
        Self {
            method: HttpMethod::Post,
            path,
            summary,
            query: &[],
            request,
            reply,
        }
    }

    pub(crate) const fn with_query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }
}

/// Adds the operations to a document. `error` is the schema of every answer that is not 2xx.
pub(crate) fn add(document: &mut OpenApi, operations: Vec<Operation>, error: &str) {
    let mut paths = PathsBuilder::new();
    for operation in operations {
        let mut responses = ResponsesBuilder::new();
        let (status, what) = match operation.reply {
            Body::None => ("204", "Done"),
            _ => ("200", "The reply"),
        };
        let mut done = ResponseBuilder::new().description(what);
        if let Some((kind, content)) = content(operation.reply) {
            done = done.content(kind, content);
        }
        let failed = ResponseBuilder::new().description("An error").content(
            "application/json",
            json(Ref::from_schema_name(error).into()),
        );
        responses = responses.response(status, done).response("default", failed);
        let mut builder = OperationBuilder::new()
            .summary(Some(operation.summary))
            .responses(responses.build());
        for parameter in parameters(&operation) {
            builder = builder.parameter(parameter);
        }
        if let Some((kind, content)) = content(operation.request) {
            let body = RequestBodyBuilder::new()
                .content(kind, content)
                .required(Some(Required::True));
            builder = builder.request_body(Some(body.build()));
        }
        paths = paths.path(
            operation.path,
            PathItem::new(operation.method, builder.build()),
        );
    }
    document.paths = paths.build();
}

fn parameters(operation: &Operation) -> Vec<Parameter> {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True);
        Some(parameter.schema(Some(text())).build())
    });
    let in_query = operation.query.iter().map(|(name, what)| {
        ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(*what))
            .schema(Some(text()))
            .build()
    });
    in_path.chain(in_query).collect()
}

fn json(schema: RefOr<Schema>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn content(body: Body) -> Option<(&'static str, Content)> {
    match body {
        Body::None => None,
        Body::Json(name) => Some(("application/json", json(Ref::from_schema_name(name).into()))),
        Body::List(name) => {
            let list = ArrayBuilder::new().items(Ref::from_schema_name(name));
            Some(("application/json", json(RefOr::T(list.build().into()))))
        }
        Body::Text => {
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            Some(("text/plain", json(RefOr::T(text.into()))))
        }
    }
}
