using System.Runtime.CompilerServices;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Prediction.OpenInference;

/// <summary>A version of the model behind an endpoint.</summary>
/// <param name="Name">Of the endpoint.</param>
/// <param name="Digest">Where its memory is found.</param>
internal sealed record EndpointVersion(string Name, int Number, string Digest)
{
    private const int PageRows = 1000;

    /// <summary>All of the tenant's, by name and number.</summary>
    /// <remarks>Read in pages: between them no reader is open, however slowly a client takes the list. An open one keeps the database's log from being cut.</remarks>
    public static async IAsyncEnumerable<EndpointVersion> ReadAllAsync(PlatformDb db, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var all = db.Endpoints().Join(
            db.ModelVersions(), endpoint => endpoint.ModelId, version => version.ModelId, (endpoint, version) => new { endpoint.Name, version.Number, version.ServingDigest });
        var (name, number) = ("", 0);
        List<EndpointVersion> page;
        do
        {
            page = await all.Where(row => string.Compare(row.Name, name) >= 0 && (string.Compare(row.Name, name) > 0 || row.Number > number))
                .OrderBy(row => row.Name).ThenBy(row => row.Number).Take(PageRows)
                .Select(row => new EndpointVersion(row.Name, row.Number, row.ServingDigest)).ToListAsync(cancellationToken);
            foreach (var version in page) yield return version;
            if (page.Count > 0) (name, number) = (page[^1].Name, page[^1].Number);
        }
        while (page.Count == PageRows);
    }
}
