// Depends on a variable of the developer and on one of the server.
export default {
  providers: [
    { domain: process.env.ISSUER, applicationID: "app" },
    { domain: process.env.CONVEX_SITE_URL, applicationID: "self" },
  ],
};
