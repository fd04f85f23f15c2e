using Atoll.Platform.Http;

namespace Atoll.Tenancy;

/// <summary>
/// The tenant that a client of the Open Inference Protocol names beside its credential, in front of the path (<c>/t/acme/v2/...</c>) or in a
/// header: some clients can be given nothing but a base address, or serve several tenants with one configuration.
/// </summary>
/// <remarks>It gives nobody anything: the credential must be one of that tenant, or of an administrator of the platform.</remarks>
internal static class NamedTenant
{
    public const string Header = "Atoll-Tenant";

    private const string Prefix = "/t";
    private const string GrpcService = "/inference.GRPCInferenceService";

    /// <summary>Takes the tenant off the path, before routes are looked for.</summary>
    public static Task TakeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Path.StartsWithSegments(Prefix, StringComparison.Ordinal, out var rest) && rest.Value is { Length: > 1 } named
            && named.IndexOf('/', 1) is var end and > 1 && new PathString(named[end..]) is var path && IsOfProtocol(path))
        {
            context.Features.Set(new InPath(named[1..end]));
            context.Request.PathBase = context.Request.PathBase.Add(Prefix + named[..end]);
            context.Request.Path = path;
        }
        return next(context);
    }

    /// <summary>The tenant that the request names; null when it names none, or is not of the protocol.</summary>
    public static string? Of(HttpContext context)
    {
        if (context.Features.Get<InPath>() is { } inPath) return inPath.Name;
        return context.Request.Headers.TryGetValue(Header, out var header) && IsOfProtocol(context.Request.Path) ? header.ToString() : null;
    }

    private static bool IsOfProtocol(PathString path) => ProblemWriter.IsOpenInference(path) || path.StartsWithSegments(GrpcService, StringComparison.Ordinal);

    private sealed record InPath(string Name);
}
