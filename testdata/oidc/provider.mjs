// An OpenID provider on loopback. It prints its URL when it serves, and ends
// when its input does. A line of input changes its keys: "rotate" has a new one
// sign and the last one stay published, "retire" withdraws all but the one that
// signs. It answers with a line when that is so.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';
import Provider from 'oidc-provider';

let made = 0;
const newKey = () => ({
	...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
	kid: `key-${++made}`, alg: 'ES256', use: 'sig',
});

const cookieKey = 'only-for-the-tests';
const client = (id, more) => ({ client_id: id, id_token_signed_response_alg: 'ES256', ...more });
const configuration = (keys) => ({
	jwks: { keys },
	cookies: { keys: [cookieKey] },
	enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
	clients: [
		client('service', { client_secret: 'service-secret', grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }),
		client('page', { token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: ['http://127.0.0.1/back'] }),
	],
	findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
	ttl: { AccessToken: 3600, ClientCredentials: 3600, IdToken: 3600, Interaction: 600, Session: 600, Grant: 600 },
	features: {
		clientCredentials: { enabled: true },
		devInteractions: { enabled: true },
		resourceIndicators: {
			enabled: true,
			getResourceServerInfo: (ctx, resource) => ({ scope: 'api', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
			useGrantedResource: () => true,
		},
	},
});

const server = http.createServer((req, res) => answer(req, res));
let keys = [newKey()];
let answer;
const use = () => { answer = new Provider(issuer, configuration(keys)).callback(); };

await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
use();
console.log(issuer);

for await (const line of readline.createInterface({ input: process.stdin })) {
	keys = line === 'rotate' ? [newKey(), keys[0]] : [keys[0]];
	use();
	console.log(keys.map((key) => key.kid).join(' '));
}
process.exit();
