using System.Security.Cryptography;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Makes a key pair for JWT assertions. The private key is in the answer and nowhere else.</summary>
internal static class CreateKeyPair
{
    public static async Task<Results<Ok<CreatedKeyPairResponse>, ProblemHttpResult>> HandleAsync(
        string principal, PlatformDb db, CallerDirectory callers, CancellationToken cancellationToken)
    {
        var found = await db.Principals().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        using var rsa = RSA.Create(PublicKeys.RsaBitsMin);
        found.PublicKeyPem = rsa.ExportSubjectPublicKeyInfoPem();
        await PublicKeys.ReplaceAsync(db, found, callers, cancellationToken);
        return TypedResults.Ok(new CreatedKeyPairResponse
        {
            Principal = principal,
            PublicKeyId = PublicKeys.IdOf(found.PublicKeyPem),
            PrivateKeyPem = rsa.ExportRSAPrivateKeyPem(),
        });
    }
}
