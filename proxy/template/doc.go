// Package template writes texts that a policy gives with variables in braces, such
// as "https://{host}{path}{query}", from an exchange. They are compiled once; a text
// without variables costs nothing more.
//
// The same text means something else in another place, so there are two ways to
// write one: AppendURL escapes what may not stand in a URL, AppendField refuses what
// may not stand in a field.
//
//	{host}         the request's host, in lower case and without its port
//	{path}         its path as it was matched: normal form, before strip_prefix
//	{rest}         that path without the route's strip_prefix or else path_prefix
//	{path.name}    a variable of path_pattern, or a group of path_regex by its
//	               name or number
//	{query}        "?" and the query, nothing when there is none
//	{scheme}       "https" or "http", as the client speaks it
//	{method} {request_id} {route} {service}
//	{client.ip}    who asks, behind trusted proxies
//	{client.cert}  the SHA-256 digest of its verified certificate, in hexadecimal;
//	               {client.cert.subject} is whom it is for (RFC 2253), .serial its
//	               number in hexadecimal, .san_dns and .san_uri its names, joined
//	               by commas, .der all of it, as Client-Cert has it (RFC 9440)
//	{jwt.claim}    a claim of a verified token; dots lead into objects
//	{header.Name}  a field of the request
//	{{ }}          the braces themselves
//
// What is not there is empty.
package template
