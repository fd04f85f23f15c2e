using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Registers a public key that was made elsewhere.</summary>
/// <remarks>
/// The proof matters: assertions may name an e-mail address, which is not unique across tenants. Whoever could register
/// somebody else's public key would receive that one's assertions in a tenant of their own.
/// </remarks>
internal static class SetPublicKey
{
    public static async Task<Results<Ok<PrincipalResponse>, ProblemHttpResult>> HandleAsync(
        string principal, SetPublicKeyRequest request, HttpContext context, PlatformDb db, CallerDirectory callers, AssertionAudiences audiences,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        var found = await db.Principals().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        if (PublicKeys.Normalize(request.PublicKeyPem) is not { } publicKey) return TenancyProblems.PublicKeyInvalid().ToResult();
        var (assertion, refusal) = JwtAssertion.Read(request.Proof, audiences.Of(context), clock.GetUtcNow());
        if (assertion is null) return TenancyProblems.ProofInvalid(refusal!).ToResult();
        if (assertion.Subject != found.Id) return TenancyProblems.ProofInvalid($"its 'sub' must be the principal's id, {found.Id}.").ToResult();
        if (!assertion.IsSignedBy(publicKey)) return TenancyProblems.ProofInvalid("the public key does not verify its signature.").ToResult();

        found.PublicKeyPem = publicKey;
        await PublicKeys.ReplaceAsync(db, found, callers, cancellationToken);
        var permissions = await db.Grants().Where(grant => grant.PrincipalId == found.Id).Select(grant => grant.Permission).ToListAsync(cancellationToken);
        return TypedResults.Ok(found.ToResponse(permissions));
    }
}
