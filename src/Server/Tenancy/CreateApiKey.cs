using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Makes an API key for a principal. The answer is the only place where its secret can be read.</summary>
internal static partial class CreateApiKey
{
    private const int NoteCharactersMax = 200;
    private const int KeysMax = 100;

    public static async Task<Results<Created<CreatedApiKeyResponse>, ProblemHttpResult>> HandleAsync(
        string principal, CreateApiKeyRequest request, Caller caller, PlatformDb db, TimeProvider clock, ILogger<Principal> logger,
        CancellationToken cancellationToken)
    {
        if (request.Note is { Length: > NoteCharactersMax })
            return HttpProblems.InvalidField("note", $"has {request.Note.Length} characters", $"Use at most {NoteCharactersMax}.").ToResult();
        if (request.Expires <= clock.GetUtcNow())
            return HttpProblems.InvalidField("expires", "is in the past", "Use a later moment such as '2030-01-31T00:00:00Z', or leave it out.").ToResult();
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        if (await db.ApiKeys().CountAsync(key => key.PrincipalId == found.Id, cancellationToken) >= KeysMax)
            return TenancyProblems.TooManyKeys(principal, KeysMax).ToResult();

        var (secret, row) = ApiKeys.Create(found.Id, request.Note, request.Expires?.UtcDateTime, clock);
        db.ApiKeys().Add(row);
        await db.SaveChangesAsync(cancellationToken);
        Log.Created(logger, caller.TenantName, principal, row.Id);
        var created = new CreatedApiKeyResponse { Id = row.Id, Principal = principal, Secret = secret };
        return TypedResults.Created($"/api/v1/principals/{principal}/keys/{row.Id}", created);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Tenant} made key {KeyId} for {Principal}.")]
        public static partial void Created(ILogger logger, string tenant, string principal, string keyId);
    }
}
