// An issuer with discovery, and one whose keys stand here.
export default {
  providers: [
    { domain: process.env.ISSUER_URL, applicationID: "app" },
    {
      type: "customJwt",
      issuer: "https://custom.example",
      jwks: `data:application/json,${encodeURIComponent(process.env.JWKS!)}`,
      algorithm: "RS256",
    },
  ],
};
