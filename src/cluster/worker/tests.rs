mod ends;
mod lease;
mod life;
mod support;
mod users;
