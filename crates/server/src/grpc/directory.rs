//! The directory: stations, posts, units, officers, agreements, catalogues, maps, drills, and whose ground a point is.

mod maps;
mod objects;
mod registry;

use super::{Gate, violations};
use crate::error::status;
use handoff_domain::access;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_proto::convert;
use handoff_proto::v1;
use handoff_proto::v1::directory_service_server::DirectoryService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Lists that differ only in what they list: name, request, response, its field, and for whom it is where it is not
/// for everybody.
macro_rules! directory_service {
    (orders: $( $order:ident $asked:ident ),* ; lists: $( $list:ident $request:ident -> $response:ident . $field:ident $( if $may:path )? ),* $(,)?) => {
        #[tonic::async_trait]
        impl DirectoryService for Gate {
            type DownloadMapStream = ReceiverStream<Result<v1::DownloadMapResponse, Status>>;

            $( async fn $order(&self, request: Request<v1::$asked>) -> Result<Response<v1::MoveReply>, Status> {
                self.order(concat!("DirectoryService/", stringify!($order)), request).await
            } )*

            $( async fn $list(&self, request: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                let method = concat!("DirectoryService/", stringify!($list));
                let session = self.session(&request, method).await?;
                $( if !$may(&session.caller) {
                    return Err(self.denied(&session.caller, method, &Refusal::new(Reason::RoleNotAllowed)));
                } )?
                self.see_all().await?;
                let asked = request.into_inner();
                let size = convert::list_directory(asked.page_size).map_err(violations)?;
                let mut all = objects::$field(&self.engine().directory(), &session.caller);
                all.sort_by(|(one, _), (other, _)| one.cmp(other));
                let pages = self.pages(method, &session.caller, "");
                let (page, next_page_token) = pages.cut(all, size, &asked.page_token)?;
                Ok(Response::new(v1::$response { $field: page, next_page_token }))
            } )*

            async fn get_catalogue(
                &self,
                request: Request<v1::GetCatalogueRequest>,
            ) -> Result<Response<v1::Catalogue>, Status> {
                let session = self.session(&request, "DirectoryService/get_catalogue").await?;
                self.see_all().await?;
                let key = convert::catalogue(&request.into_inner()).map_err(violations)?;
                let directory = self.engine().directory();
                let found = objects::catalogue(&directory, &key, &session.caller);
                found.map(Response::new).ok_or_else(|| status(&Refusal::new(Reason::ObjectNotFound).field("table")))
            }

            async fn publish_map(
                &self,
                request: Request<v1::PublishMapRequest>,
            ) -> Result<Response<v1::MoveReply>, Status> {
                self.publish(request).await
            }

            async fn update_registry(
                &self,
                request: Request<v1::UpdateRegistryRequest>,
            ) -> Result<Response<v1::MoveReply>, Status> {
                self.update(request).await
            }

            async fn get_registry(
                &self,
                request: Request<v1::GetRegistryRequest>,
            ) -> Result<Response<v1::Registry>, Status> {
                self.registry(request).await
            }

            async fn get_map(&self, request: Request<v1::GetMapRequest>) -> Result<Response<v1::BoundaryMap>, Status> {
                let session = self.session(&request, "DirectoryService/get_map").await?;
                self.see_all().await?;
                let asked = convert::map(&request.into_inner().map, true).map_err(violations)?;
                let found = objects::map(&self.engine().directory(), &asked, &session.caller);
                found.map(Response::new).ok_or_else(|| status(&Refusal::new(Reason::ObjectNotFound).field("map")))
            }

            async fn download_map(
                &self,
                request: Request<v1::DownloadMapRequest>,
            ) -> Result<Response<Self::DownloadMapStream>, Status> {
                self.download(request).await
            }

            async fn resolve_territory(
                &self,
                request: Request<v1::ResolveTerritoryRequest>,
            ) -> Result<Response<v1::ResolveTerritoryResponse>, Status> {
                self.resolve(request).await
            }
        }
    };
}

directory_service! {
    orders:
        set_station SetStationRequest,
        set_post SetPostRequest,
        set_unit SetUnitRequest,
        set_officer SetOfficerRequest,
        propose_agreement ProposeAgreementRequest,
        ratify_agreement RatifyAgreementRequest,
        set_catalogue SetCatalogueRequest,
        ratify_map RatifyMapRequest,
        open_drill OpenDrillRequest,
        join_drill JoinDrillRequest,
        end_drill EndDrillRequest;
    lists:
        list_stations ListStationsRequest -> ListStationsResponse.stations,
        list_posts ListPostsRequest -> ListPostsResponse.posts,
        list_units ListUnitsRequest -> ListUnitsResponse.units,
        list_officers ListOfficersRequest -> ListOfficersResponse.officers if access::may_list_officers,
        list_agreements ListAgreementsRequest -> ListAgreementsResponse.agreements,
        list_catalogues ListCataloguesRequest -> ListCataloguesResponse.catalogues,
        list_maps ListMapsRequest -> ListMapsResponse.maps,
        list_drills ListDrillsRequest -> ListDrillsResponse.drills,
}
