using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Finds the caller behind a credential. Known credentials are answered from memory, without the database.</summary>
/// <remarks>Whoever changes principals, grants or keys calls <see cref="Forget"/>, so a revoked key stops at once.</remarks>
internal sealed class CallerDirectory(IServiceScopeFactory scopes, TimeProvider clock) : IRememberedCallers
{
    private const int KnownMax = 100_000;

    /// <summary>Credentials that were good when last looked up. Not forgotten with the rest: what changes in one tenant must not put the others' behind a limit.</summary>
    private readonly ConcurrentDictionary<CredentialHash, bool> _good = new();

    private ConcurrentDictionary<CredentialHash, Known> _known = new();

    /// <summary>The caller whose key or token was looked up before; never asks the database.</summary>
    public Caller? FindRemembered(string credential) =>
        _known.TryGetValue(CredentialHash.Of(credential), out var known) && known.ExpiresUtc > clock.GetUtcNow().UtcDateTime ? known.Caller : null;

    /// <remarks>A client mostly sends the same header again on its connection: then it is compared, and not hashed.</remarks>
    public Caller? Find(HttpContext context)
    {
        var header = context.Request.Headers.Authorization;
        if (header is not [{ Length: > 0 } text]) return null;
        var memory = ConnectionMemory.Of(context);
        var known = _known;
        if (memory?.Credential is LastCredential last && last.Header == text && last.Among.TryGetTarget(out var among) && among == known)
            return last.Known.ExpiresUtc > clock.GetUtcNow().UtcDateTime ? last.Known.Caller : null;
        if (!text.StartsWith(CallerCheck.Scheme, StringComparison.OrdinalIgnoreCase)) return null;
        if (!known.TryGetValue(CredentialHash.Of(text.AsSpan(CallerCheck.Scheme.Length).Trim()), out var found)) return null;
        if (memory is not null) memory.Credential = new LastCredential(text, new WeakReference<ConcurrentDictionary<CredentialHash, Known>>(known), found);
        return found.ExpiresUtc > clock.GetUtcNow().UtcDateTime ? found.Caller : null;
    }

    Caller? IRememberedCallers.Find(HttpContext context) => context.Request.Headers.ContainsKey(NamedTenant.Header) ? null : Find(context);

    /// <summary>Whether this was good when it was last looked up; then it is worth another look, however many others are wrong.</summary>
    public bool WasGood(string credential) => _good.ContainsKey(CredentialHash.Of(credential));

    /// <summary>The caller with this API key; null when there is none or the key has expired.</summary>
    public async ValueTask<Caller?> FindByKeyAsync(string key, CancellationToken cancellationToken)
    {
        // The dictionary is taken before the database is read: a Forget in between must not be undone by what we read.
        var known = _known;
        var hash = CredentialHash.Of(key);
        var text = hash.ToString();
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var row = await db.ApiKeys().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking()
            .SingleOrDefaultAsync(k => k.Hash == text, cancellationToken);
        var isValid = row is not null && !(row.ExpiresUtc <= clock.GetUtcNow().UtcDateTime);
        var caller = isValid ? await LoadAsync(db, row!.PrincipalId, cancellationToken) : null;
        Remember(known, hash, caller is null ? null : new Known(caller, row!.ExpiresUtc ?? DateTime.MaxValue));
        return caller;
    }

    /// <summary>The caller with an access token that was verified; null when its principal, or what bought the token, is gone.</summary>
    public async ValueTask<Caller?> FindByTokenAsync(string token, VerifiedToken verified, CancellationToken cancellationToken)
    {
        var known = _known;
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var sourceExpiresUtc = await ExpiryOfSourceAsync(db, verified, cancellationToken);
        var caller = sourceExpiresUtc is null ? null : await LoadAsync(db, verified.PrincipalId, cancellationToken);
        var expiresUtc = sourceExpiresUtc < verified.ExpiresUtc ? sourceExpiresUtc.Value : verified.ExpiresUtc;
        Remember(known, CredentialHash.Of(token), caller is null ? null : new Known(caller, expiresUtc));
        return caller;
    }

    /// <summary>Drops all callers that are remembered. Cheap: the next request of each credential asks the database once.</summary>
    public void Forget() => _known = new ConcurrentDictionary<CredentialHash, Known>();

    private void Remember(ConcurrentDictionary<CredentialHash, Known> known, CredentialHash hash, Known? entry)
    {
        if (entry is null)
        {
            _good.TryRemove(hash, out _);
            return;
        }
        if (_good.Count >= KnownMax) _good.Clear();
        _good[hash] = true;
        if (known.Count >= KnownMax) known.Clear();
        known[hash] = entry;
    }

    /// <summary>Until when what bought the token works; null when it is gone or has expired.</summary>
    private async Task<DateTime?> ExpiryOfSourceAsync(PlatformDb db, VerifiedToken verified, CancellationToken cancellationToken)
    {
        var (kind, id) = verified.Source;
        var now = clock.GetUtcNow().UtcDateTime;
        switch (kind)
        {
            case TokenSource.ApiKey:
                var key = await db.ApiKeys().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking()
                    .SingleOrDefaultAsync(row => row.Id == id && row.PrincipalId == verified.PrincipalId, cancellationToken);
                return key is null || key.ExpiresUtc <= now ? null : key.ExpiresUtc ?? DateTime.MaxValue;
            case TokenSource.PublicKey:
                var pem = await db.Principals().IgnoreQueryFilters([PlatformDb.TenantFilter])
                    .Where(row => row.Id == verified.PrincipalId).Select(row => row.PublicKeyPem).SingleOrDefaultAsync(cancellationToken);
                return pem is not null && PublicKeys.IdOf(pem) == id ? DateTime.MaxValue : null;
            case TokenSource.RefreshToken:
                return await db.RefreshTokens().IgnoreQueryFilters([PlatformDb.TenantFilter])
                    .AnyAsync(row => row.Id == id && row.PrincipalId == verified.PrincipalId, cancellationToken) ? DateTime.MaxValue : null;
            default:
                return null;
        }
    }

    private static async Task<Caller?> LoadAsync(PlatformDb db, string principalId, CancellationToken cancellationToken)
    {
        var found = await db.Principals().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking()
            .Where(principal => principal.Id == principalId)
            .Join(db.Tenants(), principal => principal.TenantId, tenant => tenant.Id, (principal, tenant) => new { principal, tenant })
            .SingleOrDefaultAsync(cancellationToken);
        if (found is null) return null;
        var permissions = await db.Grants().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .Where(grant => grant.PrincipalId == principalId).Select(grant => grant.Permission).ToListAsync(cancellationToken);
        return new Caller(found.tenant.Id, found.tenant.Name, found.principal.Id, found.principal.Name, permissions.ToFrozenSet());
    }

    private sealed record Known(Caller Caller, DateTime ExpiresUtc);

    /// <summary>A connection's last header and whose it was, while the callers are among those that are remembered.</summary>
    private sealed record LastCredential(string Header, WeakReference<ConcurrentDictionary<CredentialHash, Known>> Among, Known Known);

    /// <summary>SHA-256 of a credential as a value, so that a look-up allocates nothing.</summary>
    private readonly record struct CredentialHash(UInt128 High, UInt128 Low)
    {
        public static CredentialHash Of(ReadOnlySpan<char> credential)
        {
            Span<byte> text = stackalloc byte[512];
            var bytes = Encoding.UTF8.GetByteCount(credential);
            if (bytes > text.Length) text = new byte[bytes];
            text = text[..Encoding.UTF8.GetBytes(credential, text)];
            Span<byte> hash = stackalloc byte[32];
            SHA256.HashData(text, hash);
            return new CredentialHash(
                System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash),
                System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash[16..]));
        }

        public override string ToString() => $"{High:x32}{Low:x32}";
    }
}
