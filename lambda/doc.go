// Package lambda is boxes in another costume: the gateway and the connector as
// four AWS Lambda functions, for teams without servers of their own.
//
//	connect  GET and POST /api/sse   redirects a browser to the edge    gateway
//	setup    GET /api/sse-setup      tells the edge the channel         gateway
//	command  POST, PUT, PATCH and DELETE /api/<app>/<type>/<id>
//	                                 202 once SNS has the command       gateway
//	notify   from SNS (or SQS)       publishes replies to the edge      connector
//
// The edge is Ebb's, Pushpin or Fastly Fanout. Each function is a program of
// the name bootstrap, for the runtime provided.al2023; `make lambda` builds
// dist/lambda/<arm64|amd64>/<name>/bootstrap. There is nothing to unpack: the
// folder is the code.
//
// # Requests
//
// connect, setup and command take events of payload 2.0: of function URLs, of
// API Gateway's HTTP APIs (the stage in front of a path is taken off), and of
// either behind CloudFront. Paths begin with /api/. What CloudFront must pass
// on is all but the host, that is the origin request policy
// AllViewerExceptHostHeader; nothing may be cached (CachingDisabled).
//
// Behind CloudFront with origin access control (OAC)
//
//   - Authorization is CloudFront's, for its signature. The user's token is
//     then in the cookie EBB_COOKIE, or in the header
//
//     Ebb-Authorization: Bearer <token>
//
//     which counts everywhere, and before Authorization.
//
//   - Lambda wants the SHA-256 of every body signed, so who sends a POST, PUT,
//     PATCH or DELETE with a body must add X-Amz-Content-Sha256, in hex, of
//     the body, also of an empty one. GETs (the redirect, the set-up call)
//     need nothing. Where pages cannot do that, put command behind an HTTP API.
//
//   - EBB_HOST is the name that browsers know, since Host is the function's.
//
//   - EBB_VIEWER_ADDRESS names the header that has the browser's address, for
//     the audit: CloudFront-Viewer-Address, or one that a CloudFront function
//     sets, which may have no port. Set it only if nobody can call the function
//     but the proxy.
//
// # Environment
//
// A "key" is a secret of 32 bytes or more as text, base64:<text>, PEM,
// file:<path>, or where to find one of these:
//
//	secret:<name or ARN>[?versionStage=<stage>][#<field of its JSON>]
//	parameter:<name>
//
// by the AWS Parameters and Secrets Lambda Extension (a layer), which must be
// there then. It is asked at the first invocation, not at the start, and again
// every EBB_SECRETS_TTL (5m).
//
//	all       EBB_LOG_LEVEL         debug, info (default), warn or error; lines are JSON
//	connect   EBB_EDGE_URL          required: the edge's URL for browsers
//	          EBB_TICKET_KEY        required: key that seals the user into the redirect
//	          EBB_TICKET_KEY_OLD    the one before it; opens only
//	          EBB_FIRST_USE         how long a ticket opens a stream by itself: 60s
//	          tokens, requests
//	setup     EBB_EDGE_URL          required: the same as connect's
//	          EBB_TICKET_KEY, EBB_TICKET_KEY_OLD   as connect's
//	          EBB_GRIP_KEY          required: key that the edge signs its calls with
//	          EBB_GRIP_KEY_OLD      the one before it
//	          EBB_GRIP_ISS          who must have signed; anybody with the key if empty
//	          EBB_KEEP_ALIVE        20s for Pushpin and Fastly, whose streams are silent
//	                                otherwise; not for Ebb's edge
//	          requests
//	command   EBB_COMMAND_TOPIC     required: ARN of the SNS topic of commands
//	          EBB_TYPES             <app>-<type>,...: which there are; any if empty
//	          EBB_ACL_TYPES, EBB_ROLES, EBB_DENY_BY_DEFAULT   as ebb gateway's flags
//	          tokens, requests
//	notify    EBB_PUBLISH_URL       required: base URL of the edge for publishers, to which
//	                                /publish/ is added; several, with commas, for edges that
//	                                know nothing of each other (several Pushpins)
//	          EBB_PUBLISH_KEY       key that publishers must have (Ebb); none for Pushpin
//	          EBB_PUBLISH_ISS       the iss of what is signed with it
//	          EBB_FASTLY_KEY        key, sent as Fastly-Key; EBB_PUBLISH_URL is then
//	                                https://api.fastly.com/service/<id>
//	          EBB_EVENT_NAME, EBB_NAME_FIELD, EBB_EXCLUDE, EBB_MAX_EVENT   as connector.Config's
//	          EBB_ISSUERS           as below, if there are several issuers
//	tokens    one of EBB_JWKS       URL of the issuer's keys
//	                 EBB_JWT_KEY    key that checks tokens
//	                 EBB_ISSUERS    JSON list, or file:<path> of one, of several issuers, as
//	                                ebb gateway's --issuers
//	                 EBB_ISSUER     alone: URL of an OpenID provider
//	          EBB_ISSUER, EBB_AUDIENCE, EBB_ALGORITHMS, EBB_MAX_TOKEN_LIFE, EBB_COOKIE
//	                                as ebb gateway's flags
//	requests  EBB_ORIGINS           pages elsewhere that may call, with commas
//	          EBB_HSTS              how long browsers shall stay with TLS: 8760h; 0: not told
//	          EBB_HOST, EBB_VIEWER_ADDRESS   as above
//
// command alone calls AWS, and needs sns:Publish on its topic; AWS_REGION and
// credentials are Lambda's. AWS_ENDPOINT_URL_SNS leads elsewhere, for tests.
//
// # Messages
//
// A message on the command topic is a command as the gateway would put it on
// Kafka, at most 256 KiB, with the attributes type and command to filter by.
// If the topic is FIFO, its group is the instance. A command that a client sends
// again is a message again: the service answers it as a duplicate.
//
// A message for notify is a reply, as a service would put it on its reply
// topic: with _jwt, whose sub says who hears it, and which goes no further.
// On the stream its item has SNS's message id, by which the edge knows a
// repeat within ten minutes (Pushpin: one). So does a message that comes by way
// of SQS, if delivery is not raw; if it is, SQS's id is taken.
//
// # When publishing fails
//
// What is well is published, whatever else is in the event. An edge that is
// away is tried again until a fifth of the function's time-out is left, five
// seconds at most.
// After that, or if a record can be nobody's, the function fails with the ids
// and the reasons (`notify: 1 of 3 records not published: <id>: no-recipient`).
// Lambda tries again after one minute and after two, and then hands the event
// and that error to the failure destination of the function, which must
// therefore be there. From SQS, what failed is named in batchItemFailures
// instead, and SQS goes on with it. Let Lambda give up (time-out 30 s, 2
// retries, MaximumEventAge 540 s) before the edge forgets ids (10 minutes), or
// a message whose first publishing only looked like a failure may be heard
// twice.
package lambda
