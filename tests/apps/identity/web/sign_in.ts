// Signing in at an OpenID Connect provider by the authorization code flow, in a page: the state of it
// and what a button does to it. Tokens live as long as the page.

const CLIENT_ID = "app";

interface State {
  readonly isLoading: boolean;
  readonly isAuthenticated: boolean;
}

export class SignIn {
  state: State = { isLoading: true, isAuthenticated: false };
  readonly #listeners = new Set<() => void>();
  #idToken: string | null = null;
  #refreshToken: string | null = null;

  constructor(private readonly provider: string) {
    const code = new URLSearchParams(location.search).get("code");
    if (code === null) {
      this.#set(false);
    } else {
      history.replaceState(null, "", location.pathname);
      void this.#ask({ grant_type: "authorization_code", code, redirect_uri: pageUrl() });
    }
  }

  subscribe = (listener: () => void): () => void => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Leaves for the provider, which comes back with a code. */
  begin(): void {
    const query = new URLSearchParams({
      client_id: CLIENT_ID,
      response_type: "code",
      scope: "openid email",
      redirect_uri: pageUrl(),
    });
    location.assign(`${this.provider}/auth?${query}`);
  }

  end(): void {
    this.#idToken = this.#refreshToken = null;
    this.#set(false);
  }

  /** For `ConvexProviderWithAuth`. */
  fetchAccessToken = async (
    { forceRefreshToken }: { forceRefreshToken: boolean },
  ): Promise<string | null> => {
    if (forceRefreshToken && this.#refreshToken !== null) {
      await this.#ask({ grant_type: "refresh_token", refresh_token: this.#refreshToken });
    }
    return this.#idToken;
  };

  async #ask(grant: Record<string, string>): Promise<void> {
    const response = await fetch(`${this.provider}/token`, {
      method: "POST",
      body: new URLSearchParams({ client_id: CLIENT_ID, ...grant }),
    });
    const tokens = await response.json();
    this.#idToken = response.ok ? tokens.id_token : null;
    this.#refreshToken = response.ok ? tokens.refresh_token : null;
    this.#set(response.ok);
  }

  #set(isAuthenticated: boolean): void {
    if (!this.state.isLoading && this.state.isAuthenticated === isAuthenticated) return;
    this.state = { isLoading: false, isAuthenticated };
    for (const listener of this.#listeners) listener();
  }
}

function pageUrl(): string {
  return `${location.origin}/`;
}
