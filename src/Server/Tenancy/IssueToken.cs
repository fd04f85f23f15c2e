using System.Globalization;
using System.Text;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Sells access tokens for API keys, JWT assertions and refresh tokens (RFC 6749, RFC 7523).</summary>
internal sealed partial class IssueToken(
    IServiceScopeFactory scopes, AccessTokens tokens, AssertionAudiences audiences, CallerDirectory callers, FailedCredentials failures, TimeProvider clock, ILogger<IssueToken> logger)
{
    public const string ClientCredentials = "client_credentials";
    public const string JwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    public const string Refresh = "refresh_token";

    private const int RefreshTokensMax = 100;

    private static readonly TimeSpan LifetimeDefault = TimeSpan.FromHours(1);
    private static readonly TimeSpan LifetimeMin = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LifetimeMax = TimeSpan.FromDays(30);
    private static readonly FormOptions FormLimits = new() { ValueCountLimit = 32, KeyLengthLimit = 256, ValueLengthLimit = 32 * 1024, BufferBodyLengthLimit = 64 * 1024 };

    /// <summary>The token, or the refusal in the words of RFC 6749.</summary>
    public async Task<(TokenResponse? Token, OAuthRefusal? Refusal)> RunAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var address = context.Connection.RemoteIpAddress;
        if (failures.WaitOf(address) is { } wait) return (null, OAuthRefusal.TooManyFailures(wait));
        var (form, unreadable) = await ReadFormAsync(context.Request, cancellationToken);
        if (form is null) return (null, unreadable);
        var (lifetime, badLifetime) = ReadLifetime(form);
        if (badLifetime is not null) return (null, badLifetime);

        var (sale, refusal) = form.GetValueOrDefault("grant_type") switch
        {
            ClientCredentials => await SellForKeyAsync(context.Request, form, cancellationToken),
            JwtBearer => await SellForAssertionAsync(context, form, cancellationToken),
            Refresh => await SellForRefreshTokenAsync(form, cancellationToken),
            null => (null, OAuthRefusal.InvalidRequest("The field 'grant_type' is missing.")),
            _ => (null, OAuthRefusal.UnsupportedGrantType()),
        };
        if (sale is null)
        {
            if (refusal!.IsBadCredential)
            {
                failures.Count(address);
                Log.Refused(logger, refusal.Error);
            }
            return (null, refusal);
        }

        var lives = lifetime ?? sale.LifetimeDefault;
        return (new TokenResponse
        {
            AccessToken = tokens.Issue(sale.PrincipalId, sale.Source, lives),
            TokenType = "Bearer",
            ExpiresIn = (long)lives.TotalSeconds,
            RefreshToken = sale.RefreshToken,
        }, null);
    }

    /// <summary>Reads a form of single values; empty ones count as absent.</summary>
    internal static async Task<(Dictionary<string, string>? Form, OAuthRefusal? Refusal)> ReadFormAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (!request.HasFormContentType) return (null, OAuthRefusal.InvalidRequest("Send a form: 'Content-Type: application/x-www-form-urlencoded'."));
        try
        {
            var form = await request.ReadFormAsync(FormLimits, cancellationToken);
            var fields = new Dictionary<string, string>();
            foreach (var (name, values) in form)
            {
                // RFC 6749 §3.2: no parameter may come twice. Spaces around its name do not make it another.
                foreach (var value in values)
                    if (!string.IsNullOrWhiteSpace(value) && !fields.TryAdd(name.Trim(), value.Trim()))
                        return (null, OAuthRefusal.InvalidRequest($"The field '{name.Trim()}' comes twice."));
            }
            return (fields, null);
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException or (IOException and not BadHttpRequestException))
        {
            // Too many fields, a part in an encoding that is not taken, a form that is cut off.
            return (null, OAuthRefusal.InvalidRequest("The form cannot be read: " + exception.Message));
        }
    }

    private static (TimeSpan? Lifetime, OAuthRefusal? Refusal) ReadLifetime(Dictionary<string, string> form)
    {
        if (!form.TryGetValue("valid_for", out var text)) return (null, null);
        var isValid = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds >= 1 && seconds <= LifetimeMax.TotalSeconds;
        return isValid
            ? (TimeSpan.FromSeconds(Math.Floor(seconds)), null)
            : (null, OAuthRefusal.InvalidRequest($"The field 'valid_for' must be 1 to {LifetimeMax.TotalSeconds} seconds."));
    }

    private async Task<(Sale? Sale, OAuthRefusal? Refusal)> SellForKeyAsync(HttpRequest request, Dictionary<string, string> form, CancellationToken cancellationToken)
    {
        var (id, secret) = BasicCredentials(request) ?? (form.GetValueOrDefault("client_id"), form.GetValueOrDefault("client_secret"));
        if (id is null || secret is null)
            return (null, OAuthRefusal.InvalidClient("Send 'client_id' (a principal's id) and 'client_secret' (one of its API keys)."));

        // The key is found by its digest, so no comparison of secrets can be timed.
        var hash = ApiKeys.HashOf(secret);
        var now = clock.GetUtcNow().UtcDateTime;
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var key = await db.ApiKeys().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking()
            .SingleOrDefaultAsync(row => row.Hash == hash && row.PrincipalId == id && (row.ExpiresUtc == null || row.ExpiresUtc > now), cancellationToken);
        return key is null
            ? (null, OAuthRefusal.InvalidClient("The client is unknown or its key is wrong, revoked or expired."))
            : (new Sale(key.PrincipalId, new TokenSource(TokenSource.ApiKey, key.Id), LifetimeDefault, null), null);
    }

    private async Task<(Sale? Sale, OAuthRefusal? Refusal)> SellForAssertionAsync(HttpContext context, Dictionary<string, string> form, CancellationToken cancellationToken)
    {
        if (!form.TryGetValue("assertion", out var text)) return (null, OAuthRefusal.InvalidRequest("The field 'assertion' is missing."));
        var now = clock.GetUtcNow();
        var (assertion, unreadable) = JwtAssertion.Read(text, audiences.Of(context), now);
        if (assertion is null) return (null, OAuthRefusal.InvalidGrant($"The assertion cannot be used: {unreadable}"));

        // An e-mail address may belong to a principal in each of several tenants; the one whose key signed is meant. As it is unique
        // in a tenant, none can crowd out another's. A principal's id names one in any case.
        var email = assertion.Subject.ToLowerInvariant();
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var candidates = db.Principals().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking()
            .Where(row => (row.Id == assertion.Subject || row.Email == email) && row.PublicKeyPem != null)
            .AsAsyncEnumerable();
        var principal = await candidates.FirstOrDefaultAsync(row => assertion.IsSignedBy(row.PublicKeyPem!), cancellationToken);
        if (principal is null) return (null, OAuthRefusal.InvalidGrant("No principal has this 'sub' and a public key that verifies the assertion."));

        var refreshToken = IsOffline(form) ? await CreateRefreshTokenAsync(principal, cancellationToken) : null;
        var lifetime = assertion.Expires - now;
        return (new Sale(
            principal.Id, new TokenSource(TokenSource.PublicKey, PublicKeys.IdOf(principal.PublicKeyPem!)),
            lifetime < LifetimeMin ? LifetimeMin : lifetime, refreshToken), null);
    }

    private async Task<(Sale? Sale, OAuthRefusal? Refusal)> SellForRefreshTokenAsync(Dictionary<string, string> form, CancellationToken cancellationToken)
    {
        if (!form.TryGetValue("refresh_token", out var secret)) return (null, OAuthRefusal.InvalidRequest("The field 'refresh_token' is missing."));
        var hash = ApiKeys.HashOf(secret);
        var now = clock.GetUtcNow().UtcDateTime;
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var found = await db.RefreshTokens().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking()
            .SingleOrDefaultAsync(row => row.Hash == hash, cancellationToken);
        if (found is null) return (null, OAuthRefusal.InvalidGrant("The refresh token is unknown or was revoked."));
        await db.RefreshTokens().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(row => row.Id == found.Id)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.UsedUtc, now), cancellationToken);
        return (new Sale(found.PrincipalId, new TokenSource(TokenSource.RefreshToken, found.Id), LifetimeDefault, null), null);
    }

    private async Task<string> CreateRefreshTokenAsync(Principal principal, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(principal.TenantId);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();

        // They never expire by themselves, so their number is bounded: the oldest make room.
        var removed = await db.RefreshTokens().Where(row => row.PrincipalId == principal.Id)
            .OrderByDescending(row => row.Id).Skip(RefreshTokensMax - 1).ToListAsync(cancellationToken);
        db.RefreshTokens().RemoveRange(removed);
        var secret = "atr_" + Ids.NewSecret();
        db.RefreshTokens().Add(new RefreshToken
        {
            Id = Ids.New("rft", clock),
            PrincipalId = principal.Id,
            Hash = ApiKeys.HashOf(secret),
            CreatedUtc = clock.GetUtcNow().UtcDateTime,
        });
        await db.SaveChangesAsync(cancellationToken);
        if (removed.Count > 0) callers.Forget();
        return secret;
    }

    private static bool IsOffline(Dictionary<string, string> form) =>
        form.TryGetValue("scope", out var scope) && scope.Split(' ', StringSplitOptions.RemoveEmptyEntries).Contains("offline");

    private static (string? Id, string? Secret)? BasicCredentials(HttpRequest request)
    {
        const string Scheme = "Basic ";
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return null;
        var buffer = new byte[header.Length];
        if (!Convert.TryFromBase64String(header[Scheme.Length..].Trim(), buffer, out var length)) return (null, null);

        // RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
        var parts = Encoding.UTF8.GetString(buffer, 0, length).Split(':', 2);
        return parts.Length == 2 ? (Uri.UnescapeDataString(parts[0]), Uri.UnescapeDataString(parts[1])) : (null, null);
    }

    private sealed record Sale(string PrincipalId, TokenSource Source, TimeSpan LifetimeDefault, string? RefreshToken);

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "A token was refused: {Error}.")]
        public static partial void Refused(ILogger logger, string error);
    }
}
