// Kinds of providers: OpenID Connect issuers, this very server, and inline keys.
export default {
  providers: [
    { domain: process.env.ISSUER_URL, applicationID: "app" },
    { domain: process.env.PROVIDER_URL, applicationID: "app" },
    { domain: process.env.CONVEX_SITE_URL, applicationID: "self" },
    {
      type: "customJwt",
      issuer: "https://custom.example",
      jwks: `data:text/plain,${encodeURIComponent(process.env.JWKS!)}`,
      algorithm: "RS256",
    },
  ],
};
