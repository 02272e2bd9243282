import assert from "node:assert/strict";
import { parseAuthConfig, printProvider, providerMatches } from "./auth_config.ts";

Deno.test("providers are normalised and keep their text otherwise", () => {
  const providers = parseAuthConfig({
    providers: [
      { domain: "example.com/", applicationID: "convex" },
      { type: "oidc", domain: "http://localhost:9/", applicationID: "a", extra: 1 },
      { type: "customJwt", issuer: "https://i.example", jwks: "data:,{}", algorithm: "ES256" },
    ],
  });
  assert.deepEqual(providers, [
    { applicationID: "convex", domain: "https://example.com/" },
    { applicationID: "a", domain: "http://localhost:9/" },
    {
      type: "customJwt",
      applicationID: null,
      issuer: "https://i.example",
      jwks: "data:,{}",
      algorithm: "ES256",
    },
  ]);
  assert.equal(
    providers.map(printProvider).join(", "),
    "OIDC(domain=https://example.com/, app_id=convex), OIDC(domain=http://localhost:9/, app_id=a), " +
      "CustomJWT(issuer=https://i.example, app_id=none)",
  );
});

Deno.test("mistakes are named", () => {
  const jwt = { type: "customJwt", issuer: "https://i.example", jwks: "x", algorithm: "RS256" };
  const cases: [unknown, RegExp][] = [
    [undefined, /^auth config file must include a list of provider credentials: the default/],
    [{ providers: [{ domain: "x.com", applicationId: "a" }] }, /must have applicationID property/],
    [
      { providers: [{ type: "saml" }] },
      /credentials: Provider at index 0 has unexpected 'type' value 'saml'$/,
    ],
    [{ providers: [{ ...jwt, domain: "x.com" }] }, /is a customJwt so cannot have a 'domain'/],
    [{ providers: [{ domain: "x.com", applicationID: "a", issuer: "x" }] }, /is oidc so cannot/],
    [{ providers: [{ ...jwt, algorithm: "HS256" }] }, /'algorithm' value 'HS256'/],
    [{ providers: [{ ...jwt, issuer: "https://api.workos.com/" }] }, /without an applicationID/],
    [{ providers: [{ domain: "plain", applicationID: "a" }] }, /Does not look like a URL/],
    [{ providers: [{ domain: "ftp://x.com", applicationID: "a" }] }, /scheme should be http/],
    [{ providers: [{ domain: '"x.com"', applicationID: "a" }] }, /starts with a quote/],
  ];
  for (const [config, message] of cases) assert.throws(() => parseAuthConfig(config), { message });
});

Deno.test("a token's issuer matches without regard to slashes at the end", () => {
  const [oidc, jwt] = parseAuthConfig({
    providers: [
      { domain: "https://example.com/", applicationID: "convex" },
      { type: "customJwt", issuer: "i.example", jwks: "x", algorithm: "RS256" },
    ],
  });
  assert.ok(providerMatches(oidc!, "https://example.com", ["other", "convex"]));
  assert.ok(!providerMatches(oidc!, "https://example.com", ["other"]));
  assert.ok(!providerMatches(oidc!, "https://evil.example.com", ["convex"]));
  assert.ok(providerMatches(jwt!, "i.example", []));
});
