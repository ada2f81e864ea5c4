//! BBCode and rich text, in comments, descriptions and chats.
