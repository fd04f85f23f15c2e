using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Http;
using Atoll.Platform.Security;

namespace Atoll.Tenancy;

/// <summary>Tenants, principals, grants, keys and tokens: who may do what.</summary>
internal static class TenancyModule
{
    private const string HoldsKey = "its answer holds a key, which is never stored";

    public static void AddTenancy(this IServiceCollection services)
    {
        services.AddSettings<TenancyOptions>("Tenancy");
        services.AddSingleton<CallerDirectory>();
        services.AddSingleton<IRememberedCallers>(provider => provider.GetRequiredService<CallerDirectory>());
        services.AddSingleton<AccessTokens>();
        services.AddSingleton<CallerCheck>();
        services.AddSingleton<ICallerCheck>(provider => provider.GetRequiredService<CallerCheck>());
        services.AddSingleton<AssertionAudiences>();
        services.AddSingleton<FailedCredentials>();
        services.AddSingleton<IssueToken>();
        services.AddSingleton<FirstStart>();
    }

    public static void MapTenancy(this RouteGroupBuilder api)
    {
        api.MapGet("/me", GetCaller.Handle).ForCallers("tells only the caller about itself")
            .WithName("getCaller").WithSummary("Who the server takes you for.");

        var tenants = api.MapGroup("/tenants").Needs(Permissions.PlatformAdminister).WithTags("Tenants");
        tenants.MapPost("", CreateTenant.HandleAsync).Unrepeatable(HoldsKey)
            .WithName("createTenant").WithSummary("Make a tenant; the answer holds its administrator's key.")
            .WithExample("""{ "name": "acme" }""");
        tenants.MapGet("", ListTenants.HandleAsync).WithName("listTenants").WithSummary("List tenants by name.");
        tenants.MapGet("/{tenant}", GetTenant.HandleAsync).WithName("getTenant").WithSummary("Show a tenant.");
        tenants.MapDelete("/{tenant}", DeleteTenant.HandleAsync)
            .WithName("deleteTenant").WithSummary("Delete a tenant with all its data, models and credentials.");
        tenants.MapPut("/{tenant}/limits/{limit}", PutTenantLimit.HandleAsync)
            .WithName("putTenantLimit").WithSummary("Give a tenant a limit of its own.").WithExample("""{ "value": 20 }""");
        tenants.MapDelete("/{tenant}/limits/{limit}", PutTenantLimit.HandleDeleteAsync)
            .WithName("deleteTenantLimit").WithSummary("Take a tenant's own limit away; that of the settings holds again.");
        tenants.MapPost("/{tenant}/keys", CreateTenantKey.HandleAsync).Unrepeatable(HoldsKey)
            .WithName("createTenantKey").WithSummary("Make an administrator key for a tenant that has lost its own.");

        var principals = api.MapGroup("/principals").Needs(Permissions.TenantAdminister).WithTags("Principals");
        principals.MapPost("", CreatePrincipal.HandleAsync).Repeatable()
            .WithName("createPrincipal").WithSummary("Make a principal, with what it may do from the start.")
            .WithExample("""{ "name": "crm-import", "email": "crm@example.com", "permissions": ["datasets.write", "runs.write"] }""");
        principals.MapGet("", ListPrincipals.HandleAsync).WithName("listPrincipals").WithSummary("List principals by name.");
        principals.MapGet("/{principal}", GetPrincipal.HandleAsync).WithName("getPrincipal").WithSummary("Show a principal with what it may do.");
        principals.MapDelete("/{principal}", DeletePrincipal.HandleAsync)
            .WithName("deletePrincipal").WithSummary("Delete a principal; its keys and tokens stop to work at once.");

        principals.MapGet("/{principal}/grants", ListGrants.HandleAsync).WithName("listGrants").WithSummary("List what a principal may do.");
        principals.MapPut("/{principal}/grants/{permission}", PutGrant.HandleAsync).WithName("putGrant").WithSummary("Grant a permission.");
        principals.MapDelete("/{principal}/grants/{permission}", DeleteGrant.HandleAsync).WithName("deleteGrant").WithSummary("Take a permission back.");

        principals.MapPost("/{principal}/keys", CreateApiKey.HandleAsync).Unrepeatable(HoldsKey)
            .WithName("createApiKey").WithSummary("Make an API key; its secret is only in the answer.")
            .WithExample("""{ "note": "nightly import", "expires": "2030-01-31T00:00:00Z" }""");
        principals.MapGet("/{principal}/keys", ListApiKeys.HandleAsync).WithName("listApiKeys").WithSummary("List API keys without their secrets.");
        principals.MapDelete("/{principal}/keys/{key}", DeleteApiKey.HandleAsync)
            .WithName("deleteApiKey").WithSummary("Revoke an API key at once, with the access tokens it bought.");

        principals.MapPost("/{principal}/key-pair", CreateKeyPair.HandleAsync).Unrepeatable(HoldsKey)
            .WithName("createKeyPair").WithSummary("Make a key pair for JWT assertions; the private key is only in the answer.");
        principals.MapPut("/{principal}/public-key", SetPublicKey.HandleAsync)
            .WithName("setPublicKey").WithSummary("Register a public key of your own for JWT assertions.")
            .WithExample("""{ "publicKeyPem": "-----BEGIN PUBLIC KEY-----\n...", "proof": "eyJhbGciOiJSUzI1NiJ9..." }""");
        principals.MapDelete("/{principal}/public-key", DeletePublicKey.HandleAsync)
            .WithName("deletePublicKey").WithSummary("Remove the public key, with the tokens that it bought.");

        principals.MapGet("/{principal}/refresh-tokens", ListRefreshTokens.HandleAsync)
            .WithName("listRefreshTokens").WithSummary("List refresh tokens without their secrets.");
        principals.MapDelete("/{principal}/refresh-tokens/{token}", DeleteRefreshToken.HandleAsync)
            .WithName("deleteRefreshToken").WithSummary("Revoke a refresh token at once, with the access tokens it bought.");
    }

    public static void MapOAuth(this IEndpointRouteBuilder app)
    {
        (string, string, string)[] form =
        [
            ("grant_type", $"{IssueToken.ClientCredentials}, {IssueToken.JwtBearer} or {IssueToken.Refresh}.", IssueToken.ClientCredentials),
            ("client_id", "A principal's id, for client_credentials; HTTP Basic works too.", "prn_01kaeswb3x8g9v2m4n6p7q8r9s"),
            ("client_secret", "One of the principal's API keys.", "atl_..."),
            ("assertion", "A JWT signed with the principal's private key; 'sub' is its id or e-mail.", ""),
            ("refresh_token", "A refresh token.", ""),
            ("scope", "'offline' with an assertion: the answer holds a refresh token too.", ""),
            ("valid_for", "Seconds until the token expires, at most 30 days.", "3600"),
        ];
        const string Reason = "sells tokens for credentials in the body";
        var tokens = app.MapGroup("").WithMetadata(new OpenQuery("RFC 6749: unknown parameters are overlooked")).WithTags("Tokens").DisableAntiforgery();
        tokens.MapPost("/api/v1/oauth2/token", OAuthRoutes.IssueAsync).ForAnybody(Reason).Unrepeatable("its answer holds a token, which is never stored")
            .Produces<OAuthErrorResponse>(400).Produces<OAuthErrorResponse>(401).Produces<OAuthErrorResponse>(429).WithName("issueToken").WithSummary("Buy an access token with an API key, a JWT assertion or a refresh token.").WithForm(form);
        tokens.MapPost("/v2/oauth2/token", OAuthRoutes.IssueForEinsteinAsync).ForAnybody(Reason)
            .Produces<EinsteinErrorResponse>(400).Produces<EinsteinErrorResponse>(401).Produces<EinsteinErrorResponse>(429).WithName("issueEinsteinToken").WithSummary("The same as clients of the Einstein API expect it.").WithForm(form);
        tokens.MapPost("/v1/oauth2/token", OAuthRoutes.IssueForEinsteinAsync).ForAnybody(Reason).ExcludeFromDescription();
        tokens.MapDelete("/v2/oauth2/tokens/{token}", RevokeToken.HandleEinsteinAsync).ForCallers("whoever has a refresh token may revoke it")
            .Produces<EinsteinErrorResponse>(404).WithName("revokeEinsteinToken").WithSummary("Revoke a refresh token, as clients of the Einstein API do.");

        // Some clients ask without the plural.
        tokens.MapDelete("/v2/oauth2/token/{token}", RevokeToken.HandleEinsteinAsync).ForCallers("whoever has a refresh token may revoke it").ExcludeFromDescription();
        tokens.MapPost("/api/v1/oauth2/revoke", RevokeToken.HandleAsync).ForAnybody("whoever has a refresh token may revoke it")
            .Produces<OAuthErrorResponse>(400).WithName("revokeToken").WithSummary("Revoke a refresh token that you have.").WithForm(("token", "The refresh token.", "atr_..."));
        tokens.MapGet("/.well-known/jwks.json", OAuthRoutes.GetKeys).ForAnybody("public keys are public")
            .WithName("getJsonWebKeys").WithSummary("The public keys that verify access tokens.");
        tokens.MapGet("/.well-known/oauth-authorization-server", OAuthRoutes.GetMetadata).ForAnybody("addresses are public")
            .WithName("getAuthorizationServer").WithSummary("Where the OAuth routes are and what they take.");
    }
}
