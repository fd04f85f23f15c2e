using Atoll.Contracts;
using Atoll.Platform.Security;

namespace Atoll.Platform.Http;

/// <summary>The refusals that any module may give.</summary>
internal static class HttpProblems
{
    /// <summary>A field of the request has a value that cannot be used.</summary>
    public static Problem InvalidField(string field, string what, string remedy) =>
        new(400, ProblemCodes.InvalidField, $"The field '{field}' {what}.", remedy) { Field = field };

    public static Problem InvalidBody(string what) =>
        new(400, ProblemCodes.InvalidBody, $"The request body cannot be read: {what}", "Send what /openapi/v1.json describes for this route.");

    public static Problem Unauthenticated(string what) =>
        new(401, ProblemCodes.Unauthenticated, what, "Send 'Authorization: Bearer <API key or access token>'.");

    public static Problem PermissionMissing(string permission, Caller caller) =>
        new(403, ProblemCodes.PermissionMissing, $"This needs the permission '{permission}', which the caller does not have.",
            permission == Permissions.PlatformAdminister
            ? "It is for administrators of the platform: use the key that the server printed at its first start, or one made by 'atoll recover'."
            : permission == Permissions.PlatformObserve
            ? $"Only principals of the tenant 'platform' can have it: atoll grants add <principal> {permission}."
            : caller.Permissions.Contains(Permissions.TenantAdminister)
            ? $"Give it to yourself: atoll grants add {caller.PrincipalName} {permission}."
            : $"Ask an administrator of the tenant to grant it: atoll grants add {caller.PrincipalName} {permission}.");

    public static Problem NotFound(string what, string name, string remedy) =>
        new(404, ProblemCodes.NotFound, $"There is no {what} '{name}'.", remedy);

    public static Problem AlreadyExists(string what, string name, string remedy) =>
        new(409, ProblemCodes.AlreadyExists, $"There is already a {what} '{name}'.", remedy);

    public static Problem LostRace() =>
        new(409, ProblemCodes.LostRace, "Somebody else changed this at the same time.", "Read it again and repeat the change.");

    public static Problem TooLarge(long bytesMax, string setting) =>
        new(413, ProblemCodes.TooLarge, $"The request body is larger than {bytesMax} bytes.", $"Send less, or raise the setting '{setting}'.");
}
