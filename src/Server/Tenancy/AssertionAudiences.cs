using Atoll.Platform.Http;

namespace Atoll.Tenancy;

/// <summary>The values of <c>aud</c> by which a JWT assertion may mean this server.</summary>
internal sealed class AssertionAudiences(OwnAddress address)
{
    // Clients of the Einstein API have these built in, whichever server they talk to.
    private static readonly string[] Einstein = ["https://api.einstein.ai/v2/oauth2/token", "https://api.metamind.io/v1/oauth2/token", "https://api.einstein.ai/v1/oauth2/token"];

    /// <summary>Without a trailing slash; compare likewise.</summary>
    public IReadOnlySet<string> Of(HttpContext context) => new HashSet<string>(
        [.. address.AllOf(context).SelectMany(own => (string[])[own, own + "/api/v1/oauth2/token", own + "/v2/oauth2/token", own + "/v1/oauth2/token"]), .. Einstein], StringComparer.OrdinalIgnoreCase);
}
