using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Registry;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Deployments;

/// <summary>Tells the operator which share of the models can be served as weights only, why not the others, and what is in memory.</summary>
internal static partial class DescribeServing
{
    private const int ReasonsMax = 20;

    public static async Task<Ok<ServingResponse>> HandleAsync(PlatformDb db, ServedModels models, CancellationToken cancellationToken)
    {
        var versions = db.ModelVersions().IgnoreQueryFilters().AsNoTracking();
        var all = await versions.LongCountAsync(cancellationToken);
        var own = await versions.Where(version => version.GraphDigest == null).GroupBy(version => version.OwnSessionReason)
            .Select(group => new { Reason = group.Key, Count = group.LongCount() }).ToListAsync(cancellationToken);
        var snapshot = models.Snapshot();
        return TypedResults.Ok(new ServingResponse
        {
            Versions = all,
            Shared = all - own.Sum(reason => reason.Count),
            OwnReasons =
            [
                .. own.GroupBy(row => Details().Replace(row.Reason is { Length: > 0 } reason ? reason : "not known", "..."), row => row.Count)
                    .Select(group => new OwnSessionReason { Reason = group.Key, Versions = group.Sum() }).OrderByDescending(reason => reason.Versions).Take(ReasonsMax),
            ],
            Memory = new ServingMemory
            {
                Bytes = snapshot.Bytes, BytesMax = snapshot.BytesMax, Models = snapshot.Models, Shared = snapshot.Split, Graphs = snapshot.SharedGraphs, Hot = snapshot.Hot,
                Pinned = snapshot.Pinned, PinnedBytes = snapshot.PinnedBytes,
            },
        });
    }

    // What is another one in every model: its names and numbers.
    [GeneratedRegex(@"'[^']*'|-?\d[\d.]*(E[+-]?\d+)?")]
    private static partial Regex Details();
}
