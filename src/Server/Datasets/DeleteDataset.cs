using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Datasets;

/// <summary>Removes a dataset with all its versions. The bytes go with the next sweep of the blob store; models that learned from it stay.</summary>
internal static partial class DeleteDataset
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string dataset, PlatformDb db, ILogger<Dataset> logger, CancellationToken cancellationToken)
    {
        var found = await db.Datasets().SingleOrDefaultAsync(d => d.Name == dataset, cancellationToken);
        if (found is null) return DatasetsProblems.DatasetNotFound(dataset).ToResult();

        db.Datasets().Remove(found);
        await db.SaveChangesAsync(cancellationToken);
        Log.Deleted(logger, dataset);
        return TypedResults.NoContent();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Deleted dataset {Dataset}.")]
        public static partial void Deleted(ILogger logger, string dataset);
    }
}
