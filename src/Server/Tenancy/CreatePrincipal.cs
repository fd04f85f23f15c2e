using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Makes a principal. It can do nothing until it has a key and grants.</summary>
internal static partial class CreatePrincipal
{
    private const int EmailCharactersMax = 254;

    public static async Task<Results<Created<PrincipalResponse>, ProblemHttpResult>> HandleAsync(
        CreatePrincipalRequest request, Caller caller, PlatformDb db, TimeProvider clock, ILogger<Principal> logger, CancellationToken cancellationToken)
    {
        if (Names.Check(request.Name) is { } invalid) return invalid.ToResult();
        if (CheckEmail(request.Email) is { } invalidEmail) return invalidEmail.ToResult();
        var permissions = (request.Permissions ?? []).Distinct(StringComparer.Ordinal).ToList();
        foreach (var permission in permissions)
            if (Grants.Check(permission, caller.TenantId) is { } refused) return (refused with { Field = "permissions" }).ToResult();
        if (await db.Principals().AnyAsync(row => row.Name == request.Name, cancellationToken))
            return TenancyProblems.PrincipalExists(request.Name).ToResult();

        // Addresses are compared without regard to case, which the database does by equality.
        var email = request.Email?.ToLowerInvariant();
        if (email is not null && await db.Principals().AnyAsync(row => row.Email == email, cancellationToken)) return TenancyProblems.EmailExists(email).ToResult();

        var principal = new Principal
        {
            Id = Ids.New("prn", clock),
            Name = request.Name,
            Email = email,
            CreatedUtc = clock.GetUtcNow().UtcDateTime,
        };
        db.Principals().Add(principal);
        db.Grants().AddRange(permissions.Select(permission => new Grant { PrincipalId = principal.Id, Permission = permission }));
        await db.SaveChangesAsync(cancellationToken);
        Log.Created(logger, caller.TenantName, request.Name);
        return TypedResults.Created($"/api/v1/principals/{principal.Name}", principal.ToResponse(permissions));
    }

    private static Problem? CheckEmail(string? email)
    {
        if (email is null) return null;
        var at = email.IndexOf('@');
        var isValid = email.Length <= EmailCharactersMax && at > 0 && at == email.LastIndexOf('@') && at < email.Length - 1
            && !email.Any(c => char.IsWhiteSpace(c) || char.IsControl(c));
        return isValid ? null : HttpProblems.InvalidField("email", "is not an e-mail address", "Use one such as 'ada@example.com', or leave it out.");
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Tenant} made principal {Principal}.")]
        public static partial void Created(ILogger logger, string tenant, string principal);
    }
}
