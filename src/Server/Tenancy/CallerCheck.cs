using Atoll.Platform.Security;

namespace Atoll.Tenancy;

/// <summary>Finds the caller behind a credential, and finds out whether it still is one.</summary>
internal sealed class CallerCheck(CallerDirectory callers, AccessTokens tokens) : ICallerCheck
{
    public const string Scheme = "Bearer ";

    public async ValueTask<(Caller? Caller, string Refusal)> LookUpAsync(string credential, CancellationToken cancellationToken)
    {
        if (credential.StartsWith(ApiKeys.Marker, StringComparison.Ordinal))
            return (await callers.FindByKeyAsync(credential, cancellationToken), "The API key is unknown, revoked or expired.");
        var verified = await tokens.VerifyAsync(credential);
        return (verified is null ? null : await callers.FindByTokenAsync(credential, verified, cancellationToken), "Invalid access token.");
    }

    public async ValueTask<bool> IsStillGoodAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var credential = context.Request.Headers.Authorization.ToString()[Scheme.Length..].Trim();
        var now = callers.FindRemembered(credential) ?? (await LookUpAsync(credential, cancellationToken)).Caller;
        var needed = context.GetEndpoint()?.Metadata.GetMetadata<NeedsPermission>()?.Permission;
        return now?.PrincipalId == Caller.Of(context).PrincipalId && (needed is null || now.Permissions.Contains(needed));
    }
}
