mod fake;
mod text;
mod write;
