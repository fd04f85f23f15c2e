using Atoll.Platform;
using Microsoft.Extensions.Options;

namespace Atoll.Tenancy;

/// <summary>The values of <c>aud</c> by which a JWT assertion may mean this server.</summary>
internal sealed class AssertionAudiences(IOptions<AtollOptions> options)
{
    // Clients of the Einstein API have these built in, whichever server they talk to.
    private static readonly string[] Einstein = ["https://api.einstein.ai/v2/oauth2/token", "https://api.metamind.io/v1/oauth2/token", "https://api.einstein.ai/v1/oauth2/token"];

    /// <summary>Without a trailing slash; compare likewise.</summary>
    public IReadOnlySet<string> Of(HttpRequest request)
    {
        var address = AddressOf(request);
        return new HashSet<string>([address, address + "/api/v1/oauth2/token", address + "/v2/oauth2/token", .. Einstein], StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>The server's own address: as configured, else as the client wrote it.</summary>
    public string AddressOf(HttpRequest request) =>
        options.Value.PublicUrl is { Length: > 0 } configured ? configured.TrimEnd('/') : $"{request.Scheme}://{request.Host}";
}
