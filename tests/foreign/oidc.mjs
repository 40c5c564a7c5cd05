// An identity provider nobody here wrote (oidc-provider), over TLS, with two ES256 keys: oidc.py starts it.
//
// Arguments: folder with server.pem and server.key, folder with node_modules, port. It reads one word a line and
// answers each with one line, `word: answer`:
//   overlap   publish the second key beside the first, and sign with it
//   second    publish the second key alone
//   asked     how often the keys were asked for

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [folder, modules, port] = process.argv.slice(2);
const found = createRequire(join(modules, 'here.js')).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(found).href);

const issuer = `https://localhost:${port}`;
const resource = 'https://handoff.example/';

// What each client's tokens say besides the standard claims. A machine, and two people at a desk.
const clients = {
  'cad-a': { roles: ['adapter'], station: 'A-01', client: 'cad-a' },
  'a-duty': { roles: ['duty_officer'], station: 'A-01', client: 'desk-1' },
  'a-admin': { roles: ['admin'], station: 'A-01', client: 'desk-1' },
};

function key(kid) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };
}

const keys = { first: key('first'), second: key('second') };

function provider(published, signing) {
  const made = new Provider(issuer, {
    jwks: { keys: published.map((name) => keys[name]) },
    clients: Object.keys(clients).map((client_id) => ({
      client_id,
      client_secret: `secret of ${client_id}`,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
    })),
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    ttl: { ClientCredentials: 600 },
    cookies: { keys: ['only for this test'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: () => ({
          scope: '',
          audience: 'handoff',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256', kid: signing } },
        }),
      },
    },
    extraTokenClaims: (_context, token) => clients[token.clientId],
    formats: {
      customizers: {
        // It writes no `nbf` by itself, which the service asks for.
        jwt: (_context, _token, jwt) => {
          jwt.payload.nbf = jwt.payload.iat;
        },
      },
    },
  });
  return made.callback();
}

let answer = provider(['first'], 'first');
let asked = 0;

const tls = { cert: readFileSync(join(folder, 'server.pem')), key: readFileSync(join(folder, 'server.key')) };
const server = createServer(tls, (request, response) => {
  if (request.url === '/jwks') asked += 1;
  answer(request, response);
});

function order(word) {
  if (word === 'overlap') answer = provider(['first', 'second'], 'second');
  else if (word === 'second') answer = provider(['second'], 'second');
  else if (word !== 'asked') return `unknown word ${word}`;
  return word === 'asked' ? `${asked}` : 'done';
}

server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
createInterface({ input: process.stdin })
  .on('line', (word) => console.log(`${word}: ${order(word)}`))
  .on('close', () => process.exit(0));
